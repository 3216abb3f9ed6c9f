//! Options of `deskwire doctor`.

use clap::Args;

use super::options::origin;
use super::{Millis, SECOND};

/// Each step of the doctor: to resolve, connect, send and be answered.
pub const DOCTOR_STEP_MS: Millis = 5 * SECOND;
/// What a doctor reads of an answer, in bytes. The metrics page has a few KiB.
pub const DOCTOR_ANSWER_BYTES_MAX: usize = 1 << 20;
/// The largest difference of two clocks that nobody notices.
pub const DOCTOR_CLOCK_MS: Millis = 60 * SECOND;
/// Descriptors, below which a desk is full before its team is.
pub const DOCTOR_DESCRIPTORS_MIN: u64 = 4096;

/// What the doctor looks at.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// The desk as its users reach it, such as <http://desk.example.org> or <http://desk.example.org/support>
    #[arg(required_unless_present = "local")]
    pub url: Option<String>,
    /// Ask the desk on this machine whether it is alive, at DESKWIRE_LISTEN, and nothing else: a health check
    #[arg(long, conflicts_with = "url")]
    pub local: bool,
    /// A staff token to try
    #[arg(long, env = "DESKWIRE_STAFF_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Whose token it is, with a staff file. A connection that this staff member has now is closed
    #[arg(long, default_value = "doctor", value_name = "ID")]
    pub staff: String,
    /// Another site whose pages are to connect, such as <https://example.com>
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub origin: Option<String>,
    /// For how long an idle connection is watched, until the desk's first ping; 0 for not at all
    #[arg(long, default_value_t = 35, value_name = "SECONDS")]
    pub idle: u32,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}
