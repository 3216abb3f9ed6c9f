//! A node's commands in Redis' words, and its replies as a node's answers.

use super::command::{Answer, Command};
use super::entry::{Entry, EntryId, Position, Record, write};
use super::resp::{Reply, append_command};
use super::url::RedisUrl;
use crate::config::{LOG_BLOCK_MS, READ_ENTRIES_MAX};
use crate::ids::NodeId;

/// Makes a desk where there is none; then takes a number and the snapshot. The log begins with an entry, so that a snapshot
/// always stands at one, and a log that has lost it can be told.
const JOIN: &str = "\
local is_new = redis.call('EXISTS', KEYS[1]) == 0
if is_new then
  if redis.call('EXISTS', KEYS[2]) == 1 then return redis.error_reply('there is a log, and no snapshot before it') end
  local id = redis.call('XADD', KEYS[2], '*', 'entry', ARGV[2], 'tag', ARGV[3])
  redis.call('HSET', KEYS[1], 'id', id, 'tag', ARGV[3], 'body', ARGV[1])
end
local kept = redis.call('HMGET', KEYS[1], 'id', 'tag', 'body')
return {redis.call('INCR', KEYS[3]), kept[1], kept[2], kept[3], is_new and 1 or 0}";

/// Stores a snapshot if its entry is in the log and later than that of the one before, and trims what is older than that, and
/// than a time: a node that has just taken the older one finds all entries behind it, and one that reads finds those after its
/// last.
const STORE: &str = "\
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])
if #found == 0 or found[1][2][4] ~= ARGV[2] then return 0 end
local old = redis.call('HGET', KEYS[1], 'id')
if not old then return 0 end
local ms, seq = parts(ARGV[1])
local old_ms, old_seq = parts(old)
if ms < old_ms or (ms == old_ms and seq <= old_seq) then return 0 end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'tag', ARGV[2], 'body', ARGV[3])
if tonumber(ARGV[4]) < old_ms then old = ARGV[4] end
redis.call('XTRIM', KEYS[2], 'MINID', old)
return 1";

/// The keys of a desk.
#[derive(Debug)]
pub(super) struct Keys {
    log: String,
    snapshot: String,
    node: String,
}

impl Keys {
    pub(super) fn of(desk: &str) -> Self {
        let key = |what: &str| format!("deskwire:{desk}:{what}");
        Self { log: key("log"), snapshot: key("snapshot"), node: key("node") }
    }
}

/// Which reply is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To one of the commands with which a connection begins.
    Greeting,
    Role,
    Join,
    Append,
    Snapshot,
    Find,
    Read,
    Replay,
}

/// The connection over which something is asked. A read may wait, and nothing else should wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Reads = 0,
    Writes = 1,
}

/// Appends what a connection begins with: who we are, and which database. Returns how many replies will come. The last one says
/// whether Redis can be used at all: not while it loads its data, or wants a password.
pub(super) fn append_greeting(url: &RedisUrl, out: &mut Vec<u8>) -> usize {
    let mut count = 1;
    if let Some(password) = &url.password {
        let user = url.user.as_deref().map(str::as_bytes);
        let parts: Vec<&[u8]> =
            [b"AUTH".as_slice()].into_iter().chain(user).chain([password.as_bytes()]).collect();
        append_command(&parts, out);
        count += 1;
    }
    if url.database > 0 {
        append_command(&[b"SELECT", url.database.to_string().as_bytes()], out);
        count += 1;
    }
    append_command(&[b"PING"], out);
    count
}

/// Writes a command: calls `ask` with the connection, the reply that will come over it, and the parts of the command. Does not
/// for what Redis is not asked.
pub(super) fn write_command(command: &Command, keys: &Keys, ask: impl FnOnce(Via, Asked, &[&[u8]])) {
    let (log, snapshot, node) = (keys.log.as_bytes(), keys.snapshot.as_bytes(), keys.node.as_bytes());
    match command {
        Command::Reconnect => {}
        Command::Role => ask(Via::Writes, Asked::Role, &[b"ROLE"]),
        Command::Join(body, tag) => {
            let begins = write(&Entry::Begins);
            let script: [&[u8]; 6] = [b"EVAL", JOIN.as_bytes(), b"3", snapshot, log, node];
            let arguments: [&[u8]; 3] = [body, &begins, tag.as_bytes()];
            ask(Via::Writes, Asked::Join, &[&script[..], &arguments].concat());
        }
        Command::Append(entry, tag) => {
            ask(Via::Writes, Asked::Append, &[b"XADD", log, b"*", b"entry", entry, b"tag", tag.as_bytes()]);
        }
        Command::Snapshot(at, body, before) => {
            let (id, before) = (at.id.to_string(), before.to_string());
            let script: [&[u8]; 5] = [b"EVAL", STORE.as_bytes(), b"2", snapshot, log];
            let arguments: [&[u8]; 4] = [id.as_bytes(), at.tag.as_bytes(), body, before.as_bytes()];
            ask(Via::Writes, Asked::Snapshot, &[&script[..], &arguments].concat());
        }
        Command::Find(at) => {
            let at = at.to_string();
            ask(Via::Reads, Asked::Find, &[b"XRANGE", log, at.as_bytes(), at.as_bytes()]);
        }
        Command::Read(after) => {
            let (after, count, wait) =
                (after.to_string(), READ_ENTRIES_MAX.to_string(), LOG_BLOCK_MS.to_string());
            let limits: [&[u8]; 5] = [b"XREAD", b"COUNT", count.as_bytes(), b"BLOCK", wait.as_bytes()];
            let from: [&[u8]; 3] = [b"STREAMS", log, after.as_bytes()];
            ask(Via::Reads, Asked::Read, &[&limits[..], &from].concat());
        }
        Command::Replay(from) => {
            let (from, count) = (from.to_string(), READ_ENTRIES_MAX.to_string());
            ask(
                Via::Reads,
                Asked::Replay,
                &[b"XRANGE", log, from.as_bytes(), b"+", b"COUNT", count.as_bytes()],
            );
        }
    }
}

/// Returns what a reply means; `None` if it is none to what was asked. A greeting has no answer: it is right, or it has failed.
pub(super) fn answer<'a>(asked: Asked, reply: &Reply<'a>) -> Option<Answer<'a>> {
    if let Reply::Error(why) = reply {
        return Some(Answer::Failed(why));
    }
    match asked {
        Asked::Greeting => None,
        Asked::Role => match reply.as_array()?.first()?.as_text()? {
            "master" => Some(Answer::Master),
            _ => Some(Answer::Failed("it is a replica")),
        },
        Asked::Join => {
            let [node, id, tag, snapshot, is_new] = reply.as_array()? else { return None };
            Some(Answer::Joined {
                node: NodeId(u32::try_from(node.as_integer()?).ok()?),
                at: Position { id: EntryId::parse(id.as_text()?)?, tag: tag.as_text()?.to_owned() },
                snapshot: snapshot.as_text()?,
                is_new: is_new.as_integer()? == 1,
            })
        }
        Asked::Append => reply.as_text().and_then(EntryId::parse).map(|_| Answer::Appended),
        Asked::Snapshot => reply.as_integer().map(|stored| Answer::Stored(stored == 1)),
        Asked::Find => match reply.as_array()? {
            [] => Some(Answer::Found(None)),
            [found, ..] => Some(Answer::Found(Some(record(found)?.tag))),
        },
        Asked::Read | Asked::Replay => {
            let entries = match reply {
                Reply::Nil => Vec::new(),
                _ if asked == Asked::Read => entries(reply)?,
                _ => reply.as_array()?.iter().map(record).collect::<Option<_>>()?,
            };
            let may_be_more = entries.len() == READ_ENTRIES_MAX;
            Some(Answer::Entries(entries, may_be_more))
        }
    }
}

/// The entries of the one stream that was asked for.
fn entries<'a>(reply: &Reply<'a>) -> Option<Vec<Record<'a>>> {
    let [stream] = reply.as_array()? else { return None };
    let [_, entries] = stream.as_array()? else { return None };
    entries.as_array()?.iter().map(record).collect()
}

/// An entry. One without our fields is empty, and is none of a desk.
fn record<'a>(reply: &Reply<'a>) -> Option<Record<'a>> {
    let [id, fields] = reply.as_array()? else { return None };
    let (text, tag) = match fields.as_array() {
        Some([_, text, _, tag]) => (text.as_text().unwrap_or_default(), tag.as_text().unwrap_or_default()),
        _ => ("", ""),
    };
    Some(Record { id: EntryId::parse(id.as_text()?)?, tag, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: &Command) -> (Via, Asked, String) {
        let mut asked_so = None;
        write_command(command, &Keys::of("shop"), |via, asked, parts| {
            let mut bytes = Vec::new();
            append_command(parts, &mut bytes);
            asked_so = Some((via, asked, String::from_utf8(bytes).unwrap()));
        });
        asked_so.unwrap()
    }

    #[test]
    fn commands_name_the_desks_keys() {
        let at = EntryId::parse("5-1").unwrap();
        let (via, asked, read) = text(&Command::Read(at));
        assert_eq!((via, asked), (Via::Reads, Asked::Read));
        assert!(
            read.ends_with(
                "BLOCK\r\n$4\r\n1000\r\n$7\r\nSTREAMS\r\n$17\r\ndeskwire:shop:log\r\n$3\r\n5-1\r\n"
            ),
            "{read}"
        );
        assert!(!text(&Command::Replay(at)).2.contains("BLOCK"));
        let (via, asked, join) = text(&Command::Join(b"{}".to_vec(), "7.1".into()));
        assert_eq!((via, asked), (Via::Writes, Asked::Join));
        assert!(join.contains("deskwire:shop:snapshot") && join.contains("deskwire:shop:node"), "{join}");
        write_command(&Command::Reconnect, &Keys::of("shop"), |_, _, _| panic!("Redis is asked nothing"));
    }

    #[test]
    fn a_connection_begins_with_what_the_url_says() {
        let greeting = |url: &str| {
            let mut out = Vec::new();
            let count = append_greeting(&RedisUrl::parse(url).unwrap(), &mut out);
            let words = String::from_utf8(out).unwrap();
            (count, words.lines().filter(|line| !line.starts_with(['*', '$'])).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(greeting("redis://h"), (1, "PING".into()));
        assert_eq!(greeting("redis://:word@h/0"), (2, "AUTH word PING".into()));
        assert_eq!(greeting("redis://desk:word@h/4"), (3, "AUTH desk word SELECT 4 PING".into()));
    }

    #[test]
    fn replies_are_what_was_asked_for_or_nothing() {
        let read = |text: &'static str| Reply::read(text.as_bytes()).unwrap().0;
        let page = read(
            "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n*2\r\n$3\r\n5-1\r\n*4\r\n$5\r\nentry\r\n$2\r\n{}\r\n$3\r\ntag\r\n$1\r\nx\r\n\
             *2\r\n$3\r\n5-2\r\n*0\r\n",
        );
        let Some(Answer::Entries(entries, false)) = answer(Asked::Read, &page) else { panic!() };
        let [first, second] = ["5-1", "5-2"].map(|id| EntryId::parse(id).unwrap());
        let expected = [Record { id: first, tag: "x", text: "{}" }, Record { id: second, tag: "", text: "" }];
        assert_eq!(entries, expected);
        let nothing = read("*-1\r\n");
        assert!(
            matches!(answer(Asked::Read, &nothing), Some(Answer::Entries(entries, false)) if entries.is_empty())
        );
        let role = |text| answer(Asked::Role, &read(text)).unwrap();
        assert!(matches!(role("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"), Answer::Master));
        assert!(matches!(role("*1\r\n$5\r\nslave\r\n"), Answer::Failed("it is a replica")));
        let refused = read("-READONLY no\r\n");
        assert!(matches!(answer(Asked::Append, &refused), Some(Answer::Failed("READONLY no"))));
        for asked in [
            Asked::Role,
            Asked::Join,
            Asked::Append,
            Asked::Snapshot,
            Asked::Find,
            Asked::Read,
            Asked::Replay,
        ] {
            assert!(answer(asked, &read("+what?\r\n")).is_none(), "{asked:?}");
        }
    }
}
