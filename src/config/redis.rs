//! Options and limits of a desk of several nodes.

use clap::Args;

use super::{KIB, Millis, SECOND};
use crate::ids::{ID_RULE, is_id};

/// The time after its last entry at which a node appends an empty one, a tick, so that the others know that it is there.
pub const NODE_TICK_MS: Millis = SECOND;
/// The time after its last entry at which a node counts as gone, by the times of the log. All nodes use the same value,
/// since all have to remove it at the same entry.
pub const NODE_GONE_MS: Millis = 10 * SECOND;
/// The time without an entry of its own in the log after which a node closes its connections: what they ask for has no
/// effect.
pub const LOG_AWAY_MS: Millis = 10 * SECOND;
/// The time to connect to Redis, and for each of its answers. A read takes up to `LOG_BLOCK_MS` of it.
pub const REDIS_ANSWER_MS: Millis = 5 * SECOND;
/// The time between two calls of `Node::tick` that shows that the process was suspended. Otherwise they are closer: each
/// wait for Redis is shorter.
pub const NODE_SUSPENDED_MS: Millis = REDIS_ANSWER_MS + NODE_TICK_MS;
/// How long Redis holds back the answer to a read while there is nothing to read.
pub const LOG_BLOCK_MS: Millis = SECOND;
/// The time before the first attempt to connect to Redis again. Each further one is twice as long.
pub const REDIS_RETRY_MS: Millis = 50;
/// The longest time between two attempts.
pub const REDIS_RETRY_MS_MAX: Millis = 2 * SECOND;
/// The time between two lookups of the name of Redis' host, while a node is not a part of its desk. A lookup stops the loop
/// until the resolver answers.
pub const REDIS_LOOKUP_MS: Millis = 10 * SECOND;
/// How many bytes of inputs may wait for the log before clients are not read any more: some seconds of a busy desk.
pub const INPUTS_WAITING_BYTES_MAX: usize = 8 * 1024 * KIB;
/// The size of the inputs that are put into one entry, in bytes. A single larger input is an entry of its own.
pub const ENTRY_BYTES_MAX: usize = 256 * KIB;
/// How many appended entries Redis may have left unanswered. Inputs that come meanwhile are gathered, so that a busy desk has
/// larger entries and not more of them.
pub const APPENDS_IN_FLIGHT_MAX: usize = 4;
/// The most entries in one answer. The answer is applied in one turn of the loop.
pub const READ_ENTRIES_MAX: usize = 256;
/// The longest answer of Redis, in bytes. The longest that there is has a snapshot in it.
pub const REDIS_ANSWER_BYTES_MAX: usize = 512 * 1024 * KIB;
/// The size of a recv from Redis, in bytes: an answer of many entries takes few calls.
pub const REDIS_RECV_BYTES: usize = 64 * KIB;
/// The capacity that an emptied buffer to or from Redis keeps, in bytes. What a snapshot needed beyond it goes back to the
/// heap.
pub const REDIS_BUFFER_KEPT_BYTES: usize = 256 * KIB;
/// How deep arrays in an answer of Redis may be nested. The deepest is that of XREAD: streams, a stream, its entries, an
/// entry, its fields. A limit is needed because they are read recursively.
pub const RESP_DEPTH_MAX: usize = 6;
/// The longest line of an answer of Redis, in bytes: a status, an error, a number or a length.
pub const RESP_LINE_BYTES_MAX: usize = 4 * KIB;
/// The size of the entries after a snapshot, in bytes, at which a new one is made. A node that starts replays them. Those
/// after the snapshot before it are kept as well, for nodes that are replaying them.
pub const SNAPSHOT_BYTES_MAX: u64 = 16 * 1024 * KIB as u64;
/// The age of a snapshot at which a new one is made, so that a message that was confirmed does not stay in Redis for more than
/// twice as long.
pub const SNAPSHOT_AGE_MS: Millis = 15 * 60 * SECOND;
/// The time between two parts of a snapshot that is being serialised, so that the loop has most of the time for other things.
pub const REDIS_PART_MS: Millis = 5;
/// The age up to which entries are never trimmed. A serving node has read all that is older than `LOG_AWAY_MS`, a tick and an
/// answer together.
pub const ENTRIES_KEPT_MS: Millis = 60 * SECOND;
/// The time between two comparisons of all nodes' States. A digest takes about 1 ms for each thousand tickets.
pub const DIGEST_MS: Millis = 60 * SECOND;

/// Which desk a node belongs to, and where its log is.
#[derive(Debug, Default, Args)]
pub struct RedisOptions {
    // Not parsed here: clap would print a wrong value, with the password in it.
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
