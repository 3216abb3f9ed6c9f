//! The binary: parses the options, runs the desk or another command, and turns the outcome into an exit code.

mod doctor;
mod inherited;
#[cfg(feature = "journal")]
mod kept;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use log::{error, info};

use self::inherited::Inherited;
#[cfg(not(feature = "journal"))]
use deskwire::clock::Clock;
#[cfg(feature = "redis")]
use deskwire::cluster::RedisUrl;
#[cfg(feature = "redis")]
use deskwire::config::RedisOptions;
use deskwire::config::{Limits, LogFormat, Options, Task};
use deskwire::desk::Desk;
#[cfg(feature = "redis")]
use deskwire::desk::ShareError;
use deskwire::desk::auth::{AuthError, SecretSource, StaffTokens, new_token};
use deskwire::desk::pages::Pages;
use deskwire::ids::{ID_RULE, SecretHash, StaffId};
use deskwire::logging;
#[cfg(feature = "tls")]
use deskwire::net::tls::Credentials;
use deskwire::server::Server;
use deskwire::state::Rules;

/// The variable with the token that all staff share if there is no staff file. Not an option, because every user of the
/// machine can read command lines.
const TOKEN_VARIABLE: &str = "DESKWIRE_STAFF_TOKEN";

/// An error that ends the program.
enum Failure {
    /// A mistake in the options or in a file that they name: exit code 2.
    Mistake(String),
    /// Any other failure: exit code 1.
    Trouble(String),
    /// A failure that has been logged already, since only the log writes to stderr without blocking.
    Logged,
    /// A failure that has been printed already, and its exit code.
    Printed(u8),
}

fn main() -> ExitCode {
    let done = match Options::try_parse() {
        Ok(Options { command: Some(Task::StaffToken { id }), .. }) => print_staff_token(&id),
        #[cfg(feature = "journal")]
        Ok(Options { command: Some(Task::Journal { file, texts }), .. }) => kept::print(&file, texts),
        Ok(Options { command: Some(Task::Check { options }), .. }) => check(options),
        Ok(options) => match &options.command {
            Some(Task::Doctor(doctor)) => doctor::run(doctor, options.local_url()),
            _ => run(&options).map_err(|failure| in_format(failure, options.log_format)),
        },
        Err(error) if !error.use_stderr() => {
            error.print().map_err(|error| Failure::Trouble(error.to_string()))
        }
        Err(error) => Err(Failure::Mistake(first_paragraph(&error.to_string()))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (why, code) = match failure {
                Failure::Mistake(why) => (why, 2),
                Failure::Trouble(why) => (why, 1),
                Failure::Logged => return ExitCode::FAILURE,
                Failure::Printed(code) => return ExitCode::from(code),
            };
            // If this fails, too, the exit code is still there.
            let _ = writeln!(io::stderr(), "deskwire: {why}");
            ExitCode::from(code)
        }
    }
}

/// Logs why the desk cannot start if the log is JSON: a program reads it then, and expects every line to be an object.
fn in_format(failure: Failure, format: LogFormat) -> Failure {
    let (why, code) = match failure {
        Failure::Mistake(why) if format == LogFormat::Json => (why, 2),
        Failure::Trouble(why) if format == LogFormat::Json => (why, 1),
        other => return other,
    };
    error!("{why}");
    log::logger().flush();
    Failure::Printed(code)
}

fn run(options: &Options) -> Result<(), Failure> {
    logging::start(options.log_level, options.log_format).map_err(trouble)?;
    let inherited = Inherited::take()?;
    let listen = match &inherited.desk {
        Some(socket) => socket.local_addr().map_err(trouble)?,
        None => options.listen,
    };
    let (tokens, made) = staff_tokens(options, listen)?;
    #[cfg(feature = "tls")]
    let tls = credentials(options)?;
    // The desk may use as many descriptors as the operating system permits.
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).map_err(trouble)?;
    let limits = options.limits(descriptors);
    let desk = desk(options, tokens)?;
    #[cfg(feature = "journal")]
    let (desk, clock) = kept::go_on(desk, &options.journal)?;
    #[cfg(not(feature = "journal"))]
    let clock = Clock::start(0);
    let server = match inherited.desk {
        Some(socket) => Server::new(socket, limits, desk),
        None => Server::bind(listen, limits, desk),
    };
    let server = server.map_err(|error| not_listening(&error, listen))?;
    let server = match metrics_socket(inherited.metrics, options)? {
        Some(socket) => server.with_metrics_listener(socket).map_err(trouble)?,
        None => server,
    };
    let server = server.with_trusted_proxies(options.trusted_proxies()).with_clock(clock);
    #[cfg(feature = "tls")]
    let server = match tls {
        Some(tls) => server.with_tls(tls),
        None => server,
    };
    announce(&server, options, &limits, made)?;
    server.run().map_err(|error| {
        error!("ended: {error}");
        log::logger().flush();
        Failure::Logged
    })
}

/// Logs the address that the desk listens on, and prints the links to its pages.
fn announce(
    server: &Server<Desk>,
    options: &Options,
    limits: &Limits,
    made: Option<String>,
) -> Result<(), Failure> {
    let address = server.address().map_err(trouble)?;
    info!("listening on {address}, for {} connections at most", limits.connections_max);
    let metrics = server.metrics_address().map_err(trouble)?.map_or_else(String::new, |address| {
        info!("the metrics are served only at {address}");
        format!("metrics      http://{address}/metrics\n")
    });
    let token = made.map_or_else(String::new, |token| format!("#token={token}"));
    let scheme = options.scheme();
    say(&format!(
        "user page    {scheme}://{address}/\nstaff page   {scheme}://{address}/staff{token}\n{metrics}"
    ))
}

/// Creates an empty desk, configured by the options.
fn desk(options: &Options, tokens: StaffTokens) -> Result<Desk, Failure> {
    let rules = Rules {
        max_chats: options.max_chats,
        max_tickets: options.max_tickets,
        assign: options.assign,
        user_grace_ms: options.user_grace_ms(),
    };
    let (staff_file, origins) = (options.staff_file.clone(), options.allow_origin.clone());
    let mut desk = Desk::new(rules, tokens, staff_file, origins, SecretSource::system()).map_err(trouble)?;
    let pages = Pages::new(&options.branding());
    #[cfg(feature = "tls")]
    let pages = match options.tls.tls_hsts {
        Some(seconds) => pages.with_strict_transport(seconds),
        None => pages,
    };
    desk.serve_pages(Rc::new(pages));
    if options.rate_limit > 0 {
        desk.limit_new_tickets();
    }
    #[cfg(feature = "redis")]
    share(&mut desk, &options.redis)?;
    Ok(desk)
}

/// Checks the options and files that a start would read, without starting the desk.
fn check(options: Vec<OsString>) -> Result<(), Failure> {
    let options = Options::try_parse_from(std::iter::once("deskwire".into()).chain(options))
        .map_err(|error| Failure::Mistake(first_paragraph(&error.to_string())))?;
    if options.command.is_some() {
        return Err(Failure::Mistake("check: only options of the desk can be checked".into()));
    }
    let (tokens, _) = staff_tokens(&options, options.listen)?;
    #[cfg(feature = "redis")]
    redis_url(&options.redis)?;
    let staff = match tokens.members() {
        0 => "one token for all".to_owned(),
        members => format!("{members} in the staff file, {} with a name", tokens.named()),
    };
    #[cfg(feature = "tls")]
    let tls = credentials(&options)?
        .map_or_else(String::new, |tls| format!(", TLS: the certificate {}", tls.validity()));
    #[cfg(not(feature = "tls"))]
    let tls = "";
    say(&format!("the options are right: listen on {}, staff: {staff}{tls}\n", options.listen))
}

/// Shares the desk with other nodes, if it is to be.
#[cfg(feature = "redis")]
fn share(desk: &mut Desk, options: &RedisOptions) -> Result<(), Failure> {
    let Some(url) = redis_url(options)? else { return Ok(()) };
    desk.share(url, &options.desk).map_err(|error| match error {
        ShareError::Random(error) => trouble(error),
        ShareError::Redis(error) => Failure::Mistake(format!("--redis: {error}")),
    })
}

#[cfg(feature = "redis")]
fn redis_url(options: &RedisOptions) -> Result<Option<RedisUrl>, Failure> {
    let url = options.redis.as_deref().map(RedisUrl::parse).transpose();
    url.map_err(|why| Failure::Mistake(format!("--redis: {why}")))
}

/// Reads the certificate and its key if the options ask for TLS.
#[cfg(feature = "tls")]
fn credentials(options: &Options) -> Result<Option<Credentials>, Failure> {
    let (Some(certificate), Some(key)) = (&options.tls.tls_cert, &options.tls.tls_key) else {
        return Ok(None);
    };
    Credentials::read(certificate, key).map(Some).map_err(|error| Failure::Mistake(error.to_string()))
}

/// Returns the listening socket for the metrics, if they have their own.
fn metrics_socket(inherited: Option<TcpListener>, options: &Options) -> Result<Option<TcpListener>, Failure> {
    let bind = |address| TcpListener::bind(address).map_err(|error| not_listening(&error, address));
    inherited.map(Ok).or_else(|| options.metrics_listen.map(bind)).transpose()
}

/// Returns the tokens of staff. If there was none and the desk has made one, also returns that one, to be shown once.
fn staff_tokens(options: &Options, listen: SocketAddr) -> Result<(StaffTokens, Option<String>), Failure> {
    let mistake = |error: AuthError| Failure::Mistake(error.to_string());
    if let Some(path) = &options.staff_file {
        return Ok((StaffTokens::read(path).map_err(mistake)?, None));
    }
    match std::env::var(TOKEN_VARIABLE) {
        Ok(token) => Ok((StaffTokens::desk(&token).map_err(mistake)?, None)),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Mistake(format!("{TOKEN_VARIABLE}: not a text")))
        }
        Err(std::env::VarError::NotPresent) if listen.ip().is_loopback() => {
            let token = new_token().map_err(trouble)?;
            Ok((StaffTokens::desk(&token).map_err(mistake)?, Some(token)))
        }
        Err(std::env::VarError::NotPresent) => Err(Failure::Mistake(format!(
            "--listen {listen}: others can reach this address, so it needs --staff-file or {TOKEN_VARIABLE}"
        ))),
    }
}

fn print_staff_token(id: &str) -> Result<(), Failure> {
    let Some(id) = StaffId::parse(id) else {
        return Err(Failure::Mistake(format!("{id:?}: {ID_RULE}")));
    };
    let token = new_token().map_err(trouble)?;
    let hash = SecretHash::of(&token).to_hex();
    say(&format!("token for {id}, shown only here: {token}\nline for the staff file:\n{id} {hash}\n"))
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(trouble)
}

fn not_listening(error: &io::Error, listen: SocketAddr) -> Failure {
    match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable | ErrorKind::PermissionDenied => {
            Failure::Trouble(format!("cannot listen on {listen}: {error}"))
        }
        _ => trouble(error),
    }
}

fn trouble(error: impl ToString) -> Failure {
    Failure::Trouble(error.to_string())
}

/// Returns the first paragraph of clap's message as one line. The rest is advice.
fn first_paragraph(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}
