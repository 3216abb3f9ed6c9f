//! Bugs of the layers that the simulation does not reach, or seldom: nodes of one desk, what is parsed and written, the log's
//! rate, what an operator sees.

use super::Detector::Unit;
use super::{Bug, bug_for};

const APPENDS: &str = "src/cluster/appends.rs";
const CONFIG: &str = "src/config.rs";
const DECODE: &str = "src/protocol/decode.rs";
const DUTIES: &str = "src/cluster/duties.rs";
const ENCODE: &str = "src/protocol/encode.rs";
const ENTRIES: &str = "src/cluster/node/entries.rs";
const MEMBERS: &str = "src/cluster/members.rs";
const METRICS: &str = "src/metrics.rs";
const NODE: &str = "src/cluster/node.rs";
const OPTIONS: &str = "src/config/options.rs";
const RETRY: &str = "src/cluster/retry.rs";
const SUPERVISOR: &str = "src/supervisor.rs";
const STORIES: &str = "cluster::tests::stories";

pub(super) const BUGS: &[Bug] = &[
    bug_for(
        Unit("cluster::appends"),
        "what was not read back from the log is appended again over another connection",
        APPENDS,
        "        self.sent = 0;\n        self.in_flight = 0;",
        "        self.sent = self.sent.saturating_sub(self.in_flight);\n        self.in_flight = 0;",
    ),
    bug_for(
        Unit(STORIES),
        "whoever was there through a node that has died is gone",
        ENTRIES,
        "            host.apply(at, &Input::NodeEnds(node), None);\n",
        "",
    ),
    bug_for(
        Unit(STORIES),
        "a node that slept finds all entries that it has missed",
        DUTIES,
        "snapshot.at.id.ms.saturating_sub(self.rules.kept_ms)",
        "snapshot.at.id.ms",
    ),
    bug_for(
        Unit(STORIES),
        "a node without its log for ten seconds closes its connections",
        NODE,
        "Some((self.own_read_at + LOG_AWAY_MS).min(late",
        "Some((self.own_read_at + 3 * LOG_AWAY_MS).min(late",
    ),
    bug_for(
        Unit(STORIES),
        "at a node, too, what is due comes when it is due",
        ENTRIES,
        "        self.clock.note(at, now);\n",
        "        self.clock.note(at, at);\n",
    ),
    bug_for(
        Unit(STORIES),
        "entries that are sent over another connection have another tag",
        NODE,
        "        self.connections += 1;\n",
        "",
    ),
    bug_for(
        Unit("cluster::tests::a_node_whose"),
        "a node whose State differs from that of most begins anew",
        DUTIES,
        "2 * same <= votes.len()",
        "2 * same < votes.len()",
    ),
    bug_for(
        Unit("cluster::members"),
        "a node that appends nothing for ten seconds is gone",
        MEMBERS,
        "member.seen + NODE_GONE_MS < at",
        "member.seen + 2 * NODE_GONE_MS < at",
    ),
    bug_for(
        Unit("cluster::retry"),
        "once Redis was there, the next attempt to reach it comes soon",
        RETRY,
        "        self.wait_ms = REDIS_RETRY_MS;\n",
        "",
    ),
    bug_for(
        Unit("protocol::decode"),
        "unknown fields are ignored",
        DECODE,
        "                None => _ = map.next_value::<IgnoredAny>()?,\n            }\n        }\n        Ok(())",
        "                None => {\n                    map.next_value::<IgnoredAny>()?;\n                    self.0.kind = Value::Other;\n                }\n            }\n        }\n        Ok(())",
    ),
    bug_for(
        Unit("protocol::decode"),
        "an error bears an id of any size",
        DECODE,
        "Value::Other => integer_out_of_range(text).map(IdRef::OutOfRange),",
        "",
    ),
    bug_for(
        Unit("protocol::decode"),
        "an error bears the id of a message whose type has none",
        DECODE,
        "        has_more.then(||",
        "        (has_more && of_command.ticket.is_none()).then(||",
    ),
    bug_for(
        Unit("protocol::decode"),
        "lengths are in characters, and not in bytes",
        DECODE,
        "if text.len() > chars_max && text.chars().count() > chars_max {",
        "if text.len() > chars_max {",
    ),
    bug_for(
        Unit("protocol::encode"),
        "a ticket's age counts from its present state",
        ENCODE,
        ".num(\"since\", view.since)",
        ".num(\"since\", view.created_at)",
    ),
    bug_for(
        Unit("logging::rate"),
        "a kind of line is logged once a second",
        CONFIG,
        "pub const LOG_LINE_MS: Millis = SECOND;",
        "pub const LOG_LINE_MS: Millis = SECOND / 10;",
    ),
    bug_for(
        Unit("metrics::"),
        "the metrics have the longest turn, and not the last one",
        METRICS,
        "self.turn_max = self.turn_max.max(span);",
        "self.turn_max = span;",
    ),
    bug_for(
        Unit("supervisor::"),
        "the watchdog's heartbeats come twice as often as they have to",
        SUPERVISOR,
        "span.as_millis() / 2",
        "span.as_millis() * 2",
    ),
    bug_for(
        Unit("config::options"),
        "with few descriptors, half of them are for connections that are not open yet",
        OPTIONS,
        ".max(sockets_max / 2)",
        ".max(sockets_max / 4)",
    ),
];
