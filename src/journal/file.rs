//! A journal in a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Place, Store};

/// An open file that no other process has open as a journal.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    /// The file that will replace it.
    next: Option<File>,
}

impl FileStore {
    /// Opens a file, or creates an empty one, and reads it.
    ///
    /// # Errors
    /// Another process uses it (`ErrorKind::ResourceBusy`), it is not a regular file, or it cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<u8>)> {
        let mut file = open(path, &mut OpenOptions::new())?;
        // A pipe could not be read to its end, and a device would be replaced by a file.
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        lock(&file)?;
        let path = path.canonicalize()?; // if it is a link, the file itself is to be replaced
        // Between open and lock, another process may have replaced the file, and locked the new one.
        if !is_same(&file, &path)? {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((Self { path, file, next: None }, bytes))
    }
}

impl FileStore {
    fn next_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".new");
        path.into()
    }

    fn file(&mut self, place: Place) -> io::Result<&mut File> {
        match place {
            Place::Current => Ok(&mut self.file),
            Place::Next => self.next.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }
}

impl Store for FileStore {
    fn append(&mut self, place: Place, bytes: &[u8]) -> io::Result<()> {
        self.file(place)?.write_all(bytes)
    }

    fn sync(&mut self, place: Place) -> io::Result<()> {
        self.file(place)?.sync_data()
    }

    fn begin(&mut self) -> io::Result<()> {
        let file = open(&self.next_path(), OpenOptions::new().truncate(true))?;
        lock(&file)?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        self.next = Some(file);
        Ok(())
    }

    fn replace(&mut self) -> io::Result<()> {
        self.file(Place::Next)?.sync_all()?;
        std::fs::rename(self.next_path(), &self.path)?;
        if let Some(file) = self.next.take() {
            self.file = file;
        }
        // The new name has to be on the disk as well.
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

/// Removes an unfinished next file: it contains texts, and the disk may be full.
impl Drop for FileStore {
    fn drop(&mut self) {
        if self.next.take().is_some() {
            let _ = std::fs::remove_file(self.next_path()); // if this fails, the next start overwrites it
        }
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600); // it holds texts
    options.read(true).write(true).create(true).open(path)
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::ResourceBusy.into(),
        TryLockError::Error(error) => error,
    })
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (opened, named) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}
