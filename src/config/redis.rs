//! Options and limits of a desk of several nodes.

use clap::Args;

use super::{KIB, Millis, SECOND};
use crate::ids::{ID_RULE, is_id};

/// A node that has appended nothing for so long appends a tick.
pub const NODE_TICK_MS: Millis = SECOND;
/// A node that has appended nothing for so long, by the times of the log, has gone. All nodes have to agree on it.
pub const NODE_GONE_MS: Millis = 10 * SECOND;
/// A node that has read nothing of its own for so long closes its connections: what they ask for comes to nothing.
pub const LOG_AWAY_MS: Millis = 10 * SECOND;
/// For a connection to Redis to be there, and for each answer. One read waits for `LOG_BLOCK_MS` of it.
pub const REDIS_ANSWER_MS: Millis = 5 * SECOND;
/// How long Redis holds a read back where there is nothing to read.
pub const LOG_BLOCK_MS: Millis = SECOND;
/// Before the first try to connect to Redis again. Each further pause is twice as long.
pub const REDIS_RETRY_MS: Millis = 50;
/// The longest such pause.
pub const REDIS_RETRY_MS_MAX: Millis = 2 * SECOND;
/// Inputs that wait for the log, in bytes, beyond which clients are not read: seconds of a busy desk.
pub const INPUTS_WAITING_BYTES_MAX: usize = 8 * 1024 * KIB;
/// Inputs that become one entry, in bytes, unless a single one is larger.
pub const ENTRY_BYTES_MAX: usize = 256 * KIB;
/// Entries that a node has appended, and that Redis has not answered. What comes meanwhile is gathered: a busy desk has larger
/// entries, and not more of them.
pub const APPENDS_IN_FLIGHT_MAX: usize = 4;
/// Entries that are read at once.
pub const READ_ENTRIES_MAX: usize = 256;
/// An answer of Redis, in bytes. The largest is a snapshot.
pub const REDIS_ANSWER_BYTES_MAX: usize = 512 * 1024 * KIB;
/// Entries behind the snapshot, in bytes, beyond which there is another one. A node that starts replays them, and those of the
/// snapshot before it stay for nodes that are reading just then.
pub const SNAPSHOT_BYTES_MAX: u64 = 16 * 1024 * KIB as u64;
/// After so long there is another snapshot: what has been confirmed does not stay for more than twice as long.
pub const SNAPSHOT_AGE_MS: Millis = 15 * 60 * SECOND;
/// Between two parts of a snapshot that is being written, so that the loop has most of the time for other things.
pub const REDIS_PART_MS: Millis = 5;
/// Entries that are not older than this are never trimmed. A node that serves has read all that is older than
/// `LOG_AWAY_MS`, a tick and an answer.
pub const ENTRIES_KEPT_MS: Millis = 60 * SECOND;
/// Between two comparisons of all nodes' States. A digest takes about a millisecond for each thousand tickets.
pub const DIGEST_MS: Millis = 60 * SECOND;

/// Which desk a node belongs to, and where its log is.
#[derive(Debug, Default, Args)]
pub struct RedisOptions {
    // Not parsed here: clap would print what is wrong, with the password.
    /// Redis that joins several nodes to one desk: redis://USER:PASSWORD@HOST:PORT/DATABASE, or only its host; rediss:// with TLS; it holds texts
    #[arg(long, env = "DESKWIRE_REDIS", value_name = "URL", hide_env_values = true)]
    #[cfg_attr(feature = "journal", arg(conflicts_with = "journal"))]
    pub redis: Option<String>,
    /// The desk's name in Redis
    #[arg(long, env = "DESKWIRE_DESK", value_name = "NAME", default_value = "desk", value_parser = desk_name)]
    pub desk: String,
}

fn desk_name(text: &str) -> Result<String, &'static str> {
    if is_id(text) { Ok(text.to_owned()) } else { Err(ID_RULE) }
}
