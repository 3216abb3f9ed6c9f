//! TLS for tests: certificates made by openssl, and a tunnel through which a client without TLS reaches a desk with
//! TLS.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

const CONFIG: &str = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = desk.example\n\
    [ca]\ndefault_ca = desk\n[desk]\ndatabase = index.txt\nnew_certs_dir = .\npolicy = any\nx509_extensions = ext\n\
    default_md = sha256\nserial = serial\n[any]\ncommonName = supplied\n\
    [ext]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n";

/// A self-signed certificate for localhost and 127.0.0.1, and its key. The files are removed when it is dropped.
pub struct Certificate {
    directory: PathBuf,
}

impl Certificate {
    pub fn new() -> Self {
        Self::until("20491231235959Z")
    }

    /// A certificate that is valid until this time.
    pub fn until(end: &str) -> Self {
        Self::between("20200101000000Z", end)
    }

    /// One that is valid from the first time to the second.
    pub fn between(start: &str, end: &str) -> Self {
        let this = Self::directory();
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        this.openssl(&format!("req -new {curve} -keyout key -out request -config config"));
        this.openssl(&format!(
            "ca -selfsign -batch -notext -create_serial -in request -keyfile key -config config \
             -startdate {start} -enddate {end} -out certificate"
        ));
        this
    }

    /// One that may sign others and signs itself, as `openssl req -x509` makes it.
    pub fn signer() -> Self {
        let this = Self::directory();
        this.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out certificate -days 30 \
             -config config -addext basicConstraints=critical,CA:TRUE -addext subjectAltName=IP:127.0.0.1",
        );
        this
    }

    fn directory() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("certificate-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let this = Self { directory: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name) };
        fs::create_dir_all(&this.directory).expect("the target directory can be written");
        fs::write(this.directory.join("config"), CONFIG).unwrap();
        fs::write(this.directory.join("index.txt"), "").unwrap();
        this
    }

    fn openssl(&self, arguments: &str) {
        let run =
            Command::new("openssl").args(arguments.split_whitespace()).current_dir(&self.directory).output();
        let run = run.expect("openssl is installed");
        assert!(run.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    pub fn certificate(&self) -> String {
        self.path("certificate")
    }

    pub fn key(&self) -> String {
        self.path("key")
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// The options of a desk with this certificate.
    pub fn options(&self) -> Vec<String> {
        vec!["--tls-cert".into(), self.certificate(), "--tls-key".into(), self.key()]
    }

    /// Replaces the files with those of another certificate, as a renewal does.
    pub fn renew(&self, with: &Self) {
        for name in ["certificate", "key"] {
            fs::copy(with.path(name), self.path(name)).unwrap();
        }
    }

    /// A client that trusts only this certificate.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate()).unwrap()).unwrap();
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The certificate for all tests that do not need their own.
pub fn certificate() -> &'static Certificate {
    static ONE: OnceLock<Certificate> = OnceLock::new();
    ONE.get_or_init(Certificate::new)
}

/// Listens for clients without TLS, and forwards their bytes to the desk over TLS. When one side ends or breaks the
/// connection, so does the tunnel on the other side.
pub fn tunnel(desk: SocketAddr, config: &Arc<ClientConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::clone(config);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || carry(&client, desk, config));
        }
    });
    address
}

fn carry(client: &TcpStream, desk: SocketAddr, config: Arc<ClientConfig>) -> Option<()> {
    let desk = TcpStream::connect(desk).ok()?;
    let _ = (client.set_nodelay(true), desk.set_nodelay(true));
    let mut session = ClientConnection::new(config, ServerName::from(desk.peer_addr().ok()?.ip())).ok()?;
    while session.is_handshaking() {
        session.complete_io(&mut &desk).ok()?;
    }
    let session = Mutex::new(session);
    // A sender takes the second lock before it releases the first, so that records leave in order.
    let sending = Mutex::new(());
    let send = |plain: &[u8]| -> std::io::Result<()> {
        let mut records = Vec::new();
        let mut locked = session.lock().expect("no panic");
        locked.writer().write_all(plain)?;
        while locked.wants_write() {
            locked.write_tls(&mut records)?;
        }
        let _in_order = sending.lock().expect("no panic");
        drop(locked);
        (&desk).write_all(&records)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 16 * 1024];
            let ended = loop {
                match (&*client).read(&mut buffer) {
                    Ok(0) => break true,
                    Ok(length) if send(&buffer[..length]).is_ok() => {}
                    Ok(_) | Err(_) => break false,
                }
            };
            if ended {
                session.lock().expect("no panic").send_close_notify();
                let _ = send(&[]);
                let _ = desk.shutdown(Shutdown::Write);
            } else {
                let _ = desk.shutdown(Shutdown::Both);
            }
        });
        let _ = receive(&session, &desk, client, send);
    });
    Some(())
}

fn receive(
    session: &Mutex<ClientConnection>,
    desk: &TcpStream,
    mut client: &TcpStream,
    send: impl Fn(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = match { desk }.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = client.shutdown(Shutdown::Both);
                return Err(error);
            }
        };
        let mut plain = Vec::new();
        let mut locked = session.lock().expect("no panic");
        let mut rest = &buffer[..length];
        while !rest.is_empty() && locked.read_tls(&mut rest)? > 0 {
            let state = locked.process_new_packets().map_err(std::io::Error::other)?;
            let start = plain.len();
            plain.resize(start + state.plaintext_bytes_to_read(), 0);
            locked.reader().read_exact(&mut plain[start..])?;
        }
        let wants_write = locked.wants_write();
        drop(locked);
        if wants_write {
            send(&[])?;
        }
        client.write_all(&plain)?;
        if length == 0 {
            return client.shutdown(Shutdown::Write);
        }
    }
}

/// The output of `openssl s_client`, which connects, sends this request, and reads to the end.
pub fn s_client(desk: SocketAddr, arguments: &[&str], request: &str) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &desk.to_string(), "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    // If it is refused, it ends before it reads the request.
    let _ = client.stdin.as_mut().expect("piped").write_all(request.as_bytes());
    let done = client.wait_with_output().expect("it ends with the connection");
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}
