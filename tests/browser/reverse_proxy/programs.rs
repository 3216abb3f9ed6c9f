//! nginx and Caddy, started with the configurations of examples/host on free ports, with a certificate of their own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::chromium::target_dir;
use crate::page::poll;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Caddy,
}

/// A running reverse proxy; dropped, it is killed.
pub struct ReverseProxy {
    child: Child,
    directory: PathBuf,
    /// Where it speaks TLS.
    pub secure: SocketAddr,
    /// Where the same configuration is without TLS, for clients that speak none.
    pub plain: SocketAddr,
    /// Where nginx only sends people to the secure page.
    pub redirects: SocketAddr,
    /// Another site: files of `directory`/shop.
    pub shop: SocketAddr,
}

impl Program {
    fn command(self, directory: &Path) -> Command {
        let name = self.name();
        let mut command = Command::new(name);
        match self {
            Self::Nginx => command.arg("-p").arg(directory).args(["-e", "stderr", "-c", "main.conf"]),
            Self::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(directory.join("Caddyfile"))
            }
        };
        // Debian has nginx in /usr/sbin, which only root looks in.
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        // Caddy keeps its state there.
        command.env("HOME", directory).env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
        command
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }

    /// Returns the file in examples/host.
    fn example(self) -> String {
        let file = match self {
            Self::Nginx => "nginx.conf",
            Self::Caddy => "Caddyfile",
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/host").join(file);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

impl ReverseProxy {
    /// Starts it in front of the desk.
    pub fn start(program: Program, desk: SocketAddr) -> Self {
        Self::with(program, desk, program.example())
    }

    /// Starts it with the configuration that this makes of the example.
    pub fn edited(program: Program, desk: SocketAddr, edit: impl Fn(&str) -> String) -> Self {
        let example = program.example();
        let config = edit(&example);
        assert!(config != example, "{program:?}: what was to be edited is not in the example");
        Self::with(program, desk, config)
    }

    fn with(program: Program, desk: SocketAddr, config: String) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = target_dir().join(format!("{}-{}-{number}", program.name(), std::process::id()));
        fs::create_dir_all(directory.join("shop")).expect("the target directory can be written");
        let [secure, plain, redirects, shop] = free_addresses();
        let config = config.replace("127.0.0.1:8000", &desk.to_string());
        match program {
            Program::Nginx => nginx(&directory, config, (secure, plain, redirects, shop)),
            Program::Caddy => caddy(&directory, config, (secure, plain, shop)),
        }
        let log = File::create(directory.join("log")).expect("the target directory can be written");
        let mut command = program.command(&directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let name = program.name();
        let child =
            command.spawn().unwrap_or_else(|e| panic!("{name}: {e}. On Debian: apt-get install {name}"));
        let mut proxy = Self { child, directory, secure, plain, redirects, shop };
        proxy.wait();
        proxy
    }

    /// Waits until it accepts connections.
    fn wait(&mut self) {
        let mut has_ended = || self.child.try_wait().expect("the child is ours").is_some();
        let secure = self.secure;
        let accepts = poll(|| {
            let accepts = TcpStream::connect(secure).is_ok();
            (accepts || has_ended()).then_some(accepts)
        });
        assert_eq!(accepts, Some(true), "it does not start: {}", self.log());
    }

    /// Puts a page into the other site; returns its address.
    pub fn shop_page(&self, html: &str) -> String {
        fs::write(self.directory.join("shop/index.html"), html).expect("the target directory can be written");
        format!("http://{}/", self.shop)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for ReverseProxy {
    #[allow(clippy::print_stderr, reason = "a failed test shows the proxy's log")]
    fn drop(&mut self) {
        // nginx has workers, which end with their master only if it is asked to.
        let quit = format!("kill -TERM {}", self.child.id());
        let _ = Command::new("sh").args(["-c", &quit]).stderr(Stdio::null()).status(); // it may be gone already
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the proxy\n{}\n---", self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Takes the `#` from the lines that serve the desk under a path. They are indented, and a comment has one blank behind it.
pub fn with_path(config: &str) -> String {
    let is_comment = |rest: &str| rest.starts_with(' ') && !rest.starts_with("  ");
    let lines = config.lines().map(|line| match line.trim_start().strip_prefix('#') {
        Some(rest) if line.starts_with(char::is_whitespace) && !is_comment(rest) => rest,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// Addresses of loopback whose ports nobody has now.
fn free_addresses() -> [SocketAddr; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound"))
}

/// Returns the certificate and its key, made once.
fn certificate() -> &'static (String, String) {
    static MADE: OnceLock<(String, String)> = OnceLock::new();
    MADE.get_or_init(|| {
        let path = |name: &str| target_dir().join(name).display().to_string();
        let (certificate, key) = (path("proxy.crt"), path("proxy.key"));
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=desk"
                    .split(' '),
            )
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-out", &certificate, "-keyout", &key])
            .output()
            .unwrap_or_else(|e| panic!("openssl: {e}. On Debian: apt-get install openssl"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (certificate, key)
    })
}

/// Writes the file as it stands, but for addresses and the certificate, and around it what Debian's nginx.conf has.
fn nginx(
    directory: &Path,
    config: String,
    (secure, plain, redirects, shop): (SocketAddr, SocketAddr, SocketAddr, SocketAddr),
) {
    let (certificate, key) = certificate();
    let live = "/etc/letsencrypt/live/desk.example.org";
    let config = config
        .replace("listen 80;", &format!("listen {redirects};"))
        .replace("listen 443 ssl;", &format!("listen {secure} ssl; listen {plain};"))
        .replace("    listen [::]:80;\n", "")
        .replace("    listen [::]:443 ssl;\n", "")
        .replace(&format!("{live}/fullchain.pem"), certificate)
        .replace(&format!("{live}/privkey.pem"), key);
    assert!(!config.contains("[::]") && !config.contains(live), "{config}");
    fs::write(directory.join("deskwire.conf"), config).expect("the target directory can be written");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {kind};\n"))
        .concat();
    let main = format!(
        "daemon off;\npid pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n    gzip on;\n    \
         include /etc/nginx/mime.types;\n{temporary}    include deskwire.conf;\n    \
         server {{ listen {shop}; root shop; }}\n}}\n"
    );
    fs::write(directory.join("main.conf"), main).expect("the target directory can be written");
}

/// Writes the file as it stands, but for addresses and the certificate.
fn caddy(directory: &Path, config: String, (secure, plain, shop): (SocketAddr, SocketAddr, SocketAddr)) {
    let (certificate, key) = certificate();
    let (head, site) = config.split_once("desk.example.org {\n").expect("the site of the example");
    let site = site.trim_end().strip_suffix('}').expect("the site is the last block");
    let config = format!(
        "{head}{{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}}\n(site) {{\n{site}}}\n\
         https://{secure} {{\n\ttls {certificate} {key}\n\timport site\n}}\nhttp://{plain} {{\n\timport site\n}}\n\
         http://{shop} {{\n\troot * {}\n\tfile_server\n}}\n",
        directory.join("shop").display()
    );
    fs::write(directory.join("Caddyfile"), config).expect("the target directory can be written");
}
