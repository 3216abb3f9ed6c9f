//! Options of the desk, and the other tasks of the binary.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use log::LevelFilter;

#[cfg(feature = "journal")]
use super::JournalOptions;
#[cfg(feature = "redis")]
use super::RedisOptions;
#[cfg(feature = "tls")]
use super::TlsOptions;
use super::{
    Assign, BRAND_CHARS_MAX, DEFAULT_LISTEN, DEFAULT_MAX_CHATS, DEFAULT_MAX_PER_ADDRESS, DEFAULT_MAX_TICKETS,
    DEFAULT_PING_INTERVAL_S, DEFAULT_RATE_LIMIT_PER_S, DEFAULT_USER_GRACE_S, DESCRIPTORS_RESERVED,
    DoctorOptions, Limits, LogFormat, Millis, OVERFLOW_CONNECTIONS, SECOND,
};
use crate::desk::branding::{Accent, Branding};
use crate::net::address::{Cidr, TrustedProxies};

const HELP: &str = "Examples:
  deskwire                                          a desk for this machine, with a token made now
  deskwire staff-token sam >> notes                 a token, and its line for the staff file
  deskwire --listen 0.0.0.0:80 --staff-file staff   a desk for everybody
  deskwire check --staff-file staff                 whether these options are right
  deskwire doctor http://desk.example.org           whether users reach it";
const DOCTOR_HELP: &str =
    "Exit status: 0 all is well, 1 it does not work, 2 a mistake in these options, 3 it works, with warnings.
JSON: url, outcome, and findings, each with code, severity, message and, unless it is ok, fix.

Examples:
  deskwire doctor https://desk.example.org/support
  deskwire doctor https://desk.example.org --metrics http://127.0.0.1:8000
  deskwire doctor https://desk.example.org --origin https://shop.example.org --json
  deskwire doctor --local";

/// A real-time support desk: users open tickets, staff pick them, both chat at once.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = HELP)]
pub struct Options {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "DESKWIRE_LISTEN",
        overrides_with = "listen",
        default_value = DEFAULT_LISTEN,
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Separate address and port for the metrics, without TLS; they are then served nowhere else
    #[arg(long, env = "DESKWIRE_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    /// File with one line for each staff member: id, SHA-256 of the token, and a name if users are to see one. Read
    /// again on SIGHUP
    #[arg(long, env = "DESKWIRE_STAFF_FILE", value_name = "FILE")]
    pub staff_file: Option<PathBuf>,
    /// Origin of another site whose pages may connect, such as <https://example.com>; may be repeated
    #[arg(long, env = "DESKWIRE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub allow_origin: Vec<String>,
    /// Name of the company, shown on both pages
    #[arg(long, env = "DESKWIRE_NAME", value_name = "TEXT", value_parser = brand_text)]
    pub name: Option<String>,
    /// Colour of links and buttons, such as #0b6b5d; must be dark enough to read on white
    #[arg(long, env = "DESKWIRE_ACCENT", value_name = "COLOUR", value_parser = Accent::parse)]
    pub accent: Option<Accent>,
    /// The first question on the user's page
    #[arg(long, env = "DESKWIRE_GREETING", value_name = "TEXT", value_parser = brand_text)]
    pub greeting: Option<String>,
    /// Origin of a site whose pages may show the user's page in a frame; may be repeated
    #[arg(long, env = "DESKWIRE_ALLOW_EMBED", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub allow_embed: Vec<String>,
    /// Who gets a waiting ticket
    #[arg(long, env = "DESKWIRE_ASSIGN", value_enum, default_value_t, value_name = "HOW")]
    pub assign: Assign,
    /// Chats that a staff member may have at once
    #[arg(long, env = "DESKWIRE_MAX_CHATS", default_value_t = DEFAULT_MAX_CHATS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_chats: u32,
    /// Connections at once; the last 64 of them, or half of 128 or fewer, are reserved for staff [default: 100000, or
    /// what the descriptors allow]
    #[arg(long, env = "DESKWIRE_MAX_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Connections at once from one address: an IPv4 address, or an IPv6 /64. Loopback is not counted; 0 is no limit
    #[arg(long, env = "DESKWIRE_MAX_PER_ADDRESS", default_value_t = DEFAULT_MAX_PER_ADDRESS, value_name = "N")]
    pub max_per_address: u32,
    /// Open tickets at once
    #[arg(long, env = "DESKWIRE_MAX_TICKETS", default_value_t = DEFAULT_MAX_TICKETS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tickets: u32,
    /// Proxy whose X-Forwarded-For is trusted: an address or a range; may be repeated; "none" trusts none [default:
    /// 127.0.0.0/8, ::1]
    #[arg(long, env = "DESKWIRE_TRUST_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = trusted_proxy)]
    pub trust_proxy: Vec<TrustedProxy>,
    /// Seconds that a ticket waits for its user to come back
    #[arg(long, env = "DESKWIRE_USER_GRACE", default_value_t = DEFAULT_USER_GRACE_S, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub user_grace: u32,
    /// Seconds of silence before a ping
    #[arg(long, env = "DESKWIRE_PING_INTERVAL", default_value_t = DEFAULT_PING_INTERVAL_S, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub ping_interval: u32,
    /// Messages a second on one connection; 0 turns off all rate limits, also those of bytes and of new tickets
    #[arg(long, env = "DESKWIRE_RATE_LIMIT", default_value_t = DEFAULT_RATE_LIMIT_PER_S, value_name = "PER_S")]
    pub rate_limit: u32,
    /// How much to log: off, error, warn, info or debug
    #[arg(long, env = "DESKWIRE_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: LevelFilter,
    /// How a line of the log is written: for people, or as a JSON object
    #[arg(long, env = "DESKWIRE_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Where tickets are kept across restarts
    #[cfg(feature = "journal")]
    #[command(flatten)]
    pub journal: JournalOptions,
    /// Other nodes of the same desk
    #[cfg(feature = "redis")]
    #[command(flatten)]
    pub redis: RedisOptions,
    /// TLS without a proxy
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub tls: TlsOptions,
    /// What to do instead of running the desk
    #[command(subcommand)]
    pub command: Option<Task>,
}

/// Checks that a text is an origin as browsers send it (RFC 6454 6.2). With a slash at its end, it would match no page,
/// and no error would say why.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or("");
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte)) {
        return Err("an origin is http:// or https:// and a host, with a port if needed, and no path".into());
    }
    Ok(text.to_owned())
}

/// Checks that a text is one line, as the pages show it.
fn brand_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > BRAND_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(format!("must be one line of 1 to {BRAND_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

/// One value of `--trust-proxy`.
#[derive(Clone, Copy, Debug)]
pub enum TrustedProxy {
    /// `none`: the default ranges are not trusted.
    None,
    /// An address or a range of them.
    Range(Cidr),
}

fn trusted_proxy(text: &str) -> Result<TrustedProxy, String> {
    match text {
        "none" => Ok(TrustedProxy::None),
        _ => Cidr::parse(text).map(TrustedProxy::Range),
    }
}

/// What the binary can do instead of running the desk.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Make a staff token and print the line for the staff file
    StaffToken {
        /// The staff member's id
        id: String,
    },
    /// Check options, environment and staff file without running the desk
    Check {
        /// Options as they are given to the desk
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Connect to a desk as users and staff do, and say what is wrong on the way
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorOptions),
    /// Check a journal, and print what is in it
    #[cfg(feature = "journal")]
    Journal {
        /// The file
        file: PathBuf,
        /// Print each input with its texts, too
        #[arg(long)]
        texts: bool,
    },
}

impl Options {
    /// Returns the limits that these options ask for, within `descriptors` that the process may have open.
    pub fn limits(&self, descriptors: u64) -> Limits {
        let defaults = Limits::default();
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let sockets_max = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(2);
        let asked = self.max_connections.map_or(defaults.connections_max, |n| n as usize);
        // At a low limit, half of the sockets are left for the overflow.
        let connections_max =
            asked.min(sockets_max.saturating_sub(OVERFLOW_CONNECTIONS).max(sockets_max / 2));
        Limits {
            ping_interval_ms: Millis::from(self.ping_interval) * SECOND,
            messages_per_s: self.rate_limit,
            payload_bytes_per_s: if self.rate_limit == 0 { 0 } else { defaults.payload_bytes_per_s },
            connections_max,
            overflow_connections: OVERFLOW_CONNECTIONS.min(sockets_max - connections_max),
            connections_per_address_max: self.max_per_address,
            ..defaults
        }
    }

    /// Returns the scheme of the desk's addresses.
    pub fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.tls_cert.is_some() {
            return "https";
        }
        "http"
    }

    /// Returns the desk's URL for clients on this machine.
    pub fn local_url(&self) -> String {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            let is_v4 = address.is_ipv4();
            address.set_ip(if is_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        format!("{}://{address}", self.scheme())
    }

    /// Returns the proxies whose X-Forwarded-For is trusted.
    pub fn trusted_proxies(&self) -> TrustedProxies {
        if self.trust_proxy.is_empty() {
            return TrustedProxies::default();
        }
        let ranges = self.trust_proxy.iter().filter_map(|proxy| match proxy {
            TrustedProxy::None => None,
            TrustedProxy::Range(range) => Some(*range),
        });
        ranges.collect()
    }

    /// Returns what the pages show about the company.
    pub fn branding(&self) -> Branding {
        Branding {
            name: self.name.clone(),
            accent: self.accent,
            greeting: self.greeting.clone(),
            embedders: self.allow_embed.clone(),
        }
    }

    /// Returns how many tickets may be open at once.
    pub fn max_tickets(&self) -> usize {
        self.max_tickets as usize
    }

    /// Returns how long a ticket waits for its user.
    pub fn user_grace_ms(&self) -> Millis {
        Millis::from(self.user_grace) * SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Options {
        Options::try_parse_from(["deskwire"].iter().chain(args)).unwrap()
    }

    #[test]
    fn limits_are_those_of_the_options() {
        let asked = ["--ping-interval=7", "--rate-limit=9", "--max-connections=100", "--max-per-address=3"];
        let limits = options(&asked).limits(10_000);
        assert_eq!((limits.ping_interval_ms, limits.messages_per_s), (7_000, 9));
        assert_eq!((limits.connections_max, limits.overflow_connections), (100, 32));
        assert_eq!((limits.connections_per_address_max, limits.payload_bytes_per_s), (3, 64 * 1024));
        let limits = options(&["--rate-limit=0"]).limits(10_000);
        assert_eq!((limits.messages_per_s, limits.payload_bytes_per_s), (0, 0), "no limit at all");
        assert_eq!(options(&["--user-grace=7"]).user_grace_ms(), 7_000);
        assert_eq!(options(&["--max-tickets=7"]).max_tickets(), 7);
    }

    #[test]
    fn all_descriptors_but_the_reserved_ones_are_for_connections_and_the_overflow() {
        let of_descriptors = |descriptors| {
            let limits = options(&[]).limits(descriptors);
            (limits.connections_max, limits.overflow_connections)
        };
        assert_eq!(of_descriptors(200_000), (100_000, 32), "as many as are allowed");
        assert_eq!(of_descriptors(16 + 100), (68, 32));
        assert_eq!(of_descriptors(16 + 41), (20, 21), "half of them for the overflow");
        assert_eq!(of_descriptors(0), (1, 1));
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_and_nothing_else() {
        for right in ["http://localhost:8000", "https://shop.example.org"] {
            assert_eq!(origin(right).as_deref(), Ok(right));
        }
        let wrong =
            ["", "shop.example.org", "ftp://a", "https://", "https://a/", "https://a?b", "https://a#b"];
        for wrong in wrong.iter().chain(&["https://b@a", "https://a b", "https://\u{e4}"]) {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_for_the_pages_is_one_line_of_at_most_100_characters() {
        assert_eq!(brand_text(" Acme support\n").as_deref(), Ok("Acme support"));
        assert!(brand_text(&"\u{e4}".repeat(100)).is_ok());
        for wrong in [&"x".repeat(101), "", " ", "two\nlines"] {
            assert!(brand_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_url_for_clients_on_this_machine_names_it_where_the_desk_listens_everywhere() {
        let url = |listen: &str| options(&["--listen", listen]).local_url();
        assert_eq!(url("0.0.0.0:80"), "http://127.0.0.1:80");
        assert_eq!(url("[::]:80"), "http://[::1]:80");
        assert_eq!(url("192.0.2.1:80"), "http://192.0.2.1:80");
    }
}
