//! Options and limits of `deskwire doctor`.

use clap::Args;

use super::options::origin;
use super::{Millis, SECOND};

/// The time for each step of the doctor: to resolve a name, to connect, to send, and to get an answer.
pub const DOCTOR_STEP_MS: Millis = 5 * SECOND;
/// How much the doctor reads of an answer, in bytes. The metrics page has a few KiB.
pub const DOCTOR_ANSWER_BYTES_MAX: usize = 1 << 20;
/// The largest difference between two clocks that nobody notices.
pub const DOCTOR_CLOCK_MS: Millis = 60 * SECOND;
/// The number of descriptors below which a desk may run out of connections before its staff are busy.
pub const DOCTOR_DESCRIPTORS_MIN: u64 = 4096;

/// What the doctor examines.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// The desk as its users reach it, such as <https://desk.example.org> or <http://desk.example.org/support>
    #[arg(required_unless_present = "local")]
    pub url: Option<String>,
    /// Ask the desk on this machine whether it is alive, at DESKWIRE_LISTEN, and nothing else: a health check
    #[arg(long, conflicts_with = "url")]
    pub local: bool,
    /// A staff token to try
    #[arg(long, env = "DESKWIRE_STAFF_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The staff member whose token it is, if the desk has a staff file. If they are connected, they are disconnected
    #[arg(long, default_value = "doctor", value_name = "ID")]
    pub staff: String,
    /// Another site whose pages should be able to connect, such as <https://example.com>
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub origin: Option<String>,
    /// Where the desk's metrics are, such as <http://127.0.0.1:8000>, if they are not at the desk's URL
    #[arg(long, value_name = "URL")]
    pub metrics: Option<String>,
    /// How long to watch an idle connection, so that the desk's first ping is seen; 0 skips this
    #[arg(long, default_value_t = 35, value_name = "SECONDS")]
    pub idle: u32,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}
