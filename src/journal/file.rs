//! A journal in a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::Store;

/// An open file that no other process has open as a journal.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
}

impl FileStore {
    /// Opens a file, or makes an empty one, and reads what is in it.
    ///
    /// # Errors
    /// Another process uses it (`ErrorKind::ResourceBusy`), or the operating system says why not.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<u8>)> {
        let mut file = open(path, &mut OpenOptions::new())?;
        lock(&file)?;
        let path = path.canonicalize()?; // behind a link, the file itself is replaced
        // Between the two, another process may have replaced the file by another one, which it has locked.
        if !is_same(&file, &path)? {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((Self { path, file }, bytes))
    }
}

impl Store for FileStore {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Writes another file beside it, and renames that.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let mut file = open(Path::new(&beside), OpenOptions::new().truncate(true))?;
        lock(&file)?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        // The name, too, has to be on the disk.
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.file = file;
        Ok(())
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
