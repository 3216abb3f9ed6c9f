//! Translates a node's commands to those of Redis, and the replies of Redis to answers.

use super::command::{Answer, Command};
use super::entry::{Entry, EntryId, Position, Record, write};
use super::resp::{Reply, append_command};
use super::url::RedisUrl;
use crate::config::{LOG_BLOCK_MS, READ_ENTRIES_MAX};
use crate::ids::NodeId;

/// Makes a desk if there is none, takes a number, and reads the snapshot. A new log begins with an entry, so that each snapshot
/// belongs to an entry, and a log that has lost this entry is recognised.
const JOIN: &str = "\
local is_new = redis.call('EXISTS', KEYS[1]) == 0
if is_new then
  if redis.call('EXISTS', KEYS[2]) == 1 then return redis.error_reply('there is a log, and no snapshot before it') end
  local id = redis.call('XADD', KEYS[2], '*', 'entry', ARGV[2], 'tag', ARGV[3])
  redis.call('HSET', KEYS[1], 'id', id, 'tag', ARGV[3], 'body', ARGV[1])
end
local kept = redis.call('HMGET', KEYS[1], 'id', 'tag', 'body')
return {redis.call('INCR', KEYS[3]), kept[1], kept[2], kept[3], is_new and 1 or 0}";

/// Stores a snapshot if its entry is in the log, and is later than that of the stored one. Then trims the entries that are
/// older than both the snapshot before it and the given time: a node that has just read the snapshot before finds all entries
/// after it, and a node that serves finds all that it has not read.
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

/// The kind of a request, which says how its reply is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// One of the commands with which a connection begins.
    Greeting,
    Role,
    Join,
    Append,
    Snapshot,
    Find,
    Read,
    Replay,
}

/// The connection over which a request is sent. Reads have their own, since Redis may hold them back, and with them all that
/// comes after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Reads = 0,
    Writes = 1,
}

/// Appends the commands with which a connection begins: they sign in and select the database. Returns how many there are. The
/// last one is a PING, which is refused while Redis loads its data, or if it requires a password.
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

/// Translates a command: calls `send` with the connection, the kind of the request, and the parts of the command. It is not
/// called for `Command::Reconnect`, which is not for Redis.
pub(super) fn write_command(command: &Command, keys: &Keys, send: impl FnOnce(Via, Request, &[&[u8]])) {
    let (log, snapshot, node) = (keys.log.as_bytes(), keys.snapshot.as_bytes(), keys.node.as_bytes());
    match command {
        Command::Reconnect => {}
        Command::Role => send(Via::Writes, Request::Role, &[b"ROLE"]),
        Command::Join(body, tag) => {
            let begins = write(&Entry::Begins);
            let script: [&[u8]; 6] = [b"EVAL", JOIN.as_bytes(), b"3", snapshot, log, node];
            let arguments: [&[u8]; 3] = [body, &begins, tag.as_bytes()];
            send(Via::Writes, Request::Join, &[&script[..], &arguments].concat());
        }
        Command::Append(entry, tag) => {
            send(
                Via::Writes,
                Request::Append,
                &[b"XADD", log, b"*", b"entry", entry, b"tag", tag.as_bytes()],
            );
        }
        Command::Snapshot(at, body, before) => {
            let (id, before) = (at.id.to_string(), before.to_string());
            let script: [&[u8]; 5] = [b"EVAL", STORE.as_bytes(), b"2", snapshot, log];
            let arguments: [&[u8]; 4] = [id.as_bytes(), at.tag.as_bytes(), body, before.as_bytes()];
            send(Via::Writes, Request::Snapshot, &[&script[..], &arguments].concat());
        }
        Command::Find(at) => {
            let at = at.to_string();
            send(Via::Reads, Request::Find, &[b"XRANGE", log, at.as_bytes(), at.as_bytes()]);
        }
        Command::Read(after) => {
            let (after, count, wait) =
                (after.to_string(), READ_ENTRIES_MAX.to_string(), LOG_BLOCK_MS.to_string());
            let limits: [&[u8]; 5] = [b"XREAD", b"COUNT", count.as_bytes(), b"BLOCK", wait.as_bytes()];
            let from: [&[u8]; 3] = [b"STREAMS", log, after.as_bytes()];
            send(Via::Reads, Request::Read, &[&limits[..], &from].concat());
        }
        Command::Replay(from) => {
            let (from, count) = (from.to_string(), READ_ENTRIES_MAX.to_string());
            send(
                Via::Reads,
                Request::Replay,
                &[b"XRANGE", log, from.as_bytes(), b"+", b"COUNT", count.as_bytes()],
            );
        }
    }
}

/// Returns the answer that is in a reply; `None` if the reply does not fit the request. That to a greeting has none.
pub(super) fn answer<'a>(request: Request, reply: &Reply<'a>) -> Option<Answer<'a>> {
    if let Reply::Error(why) = reply {
        return Some(Answer::Failed(why));
    }
    match request {
        Request::Greeting => None,
        Request::Role => match reply.as_array()?.first()?.as_text()? {
            "master" => Some(Answer::Master),
            _ => Some(Answer::Failed("this Redis is a replica, and nodes need the master")),
        },
        Request::Join => {
            let [node, id, tag, snapshot, is_new] = reply.as_array()? else { return None };
            Some(Answer::Joined {
                node: NodeId(u32::try_from(node.as_integer()?).ok()?),
                at: Position { id: EntryId::parse(id.as_text()?)?, tag: tag.as_text()?.to_owned() },
                snapshot: snapshot.as_text()?,
                is_new: is_new.as_integer()? == 1,
            })
        }
        Request::Append => reply.as_text().and_then(EntryId::parse).map(|_| Answer::Appended),
        Request::Snapshot => reply.as_integer().map(|stored| Answer::Stored(stored == 1)),
        Request::Find => match reply.as_array()? {
            [] => Some(Answer::Found(None)),
            [found, ..] => Some(Answer::Found(Some(record(found)?.tag))),
        },
        Request::Read | Request::Replay => {
            let entries = match reply {
                Reply::Nil => Vec::new(),
                _ if request == Request::Read => entries(reply)?,
                _ => reply.as_array()?.iter().map(record).collect::<Option<_>>()?,
            };
            let may_be_more = entries.len() == READ_ENTRIES_MAX;
            Some(Answer::Entries(entries, may_be_more))
        }
    }
}

/// Returns the entries in a reply to XREAD, which asked for one stream.
fn entries<'a>(reply: &Reply<'a>) -> Option<Vec<Record<'a>>> {
    let [stream] = reply.as_array()? else { return None };
    let [_, entries] = stream.as_array()? else { return None };
    entries.as_array()?.iter().map(record).collect()
}

/// Reads an entry. Without our fields, its text is empty, and it will be skipped.
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

    fn text(command: &Command) -> (Via, Request, String) {
        let mut sent = None;
        write_command(command, &Keys::of("shop"), |via, request, parts| {
            let mut bytes = Vec::new();
            append_command(parts, &mut bytes);
            sent = Some((via, request, String::from_utf8(bytes).unwrap()));
        });
        sent.unwrap()
    }

    #[test]
    fn commands_name_the_desks_keys() {
        let at = EntryId::parse("5-1").unwrap();
        let (via, request, read) = text(&Command::Read(at));
        assert_eq!((via, request), (Via::Reads, Request::Read));
        assert!(
            read.ends_with(
                "BLOCK\r\n$4\r\n1000\r\n$7\r\nSTREAMS\r\n$17\r\ndeskwire:shop:log\r\n$3\r\n5-1\r\n"
            ),
            "{read}"
        );
        assert!(!text(&Command::Replay(at)).2.contains("BLOCK"));
        let (via, request, join) = text(&Command::Join(b"{}".to_vec(), "7.1".into()));
        assert_eq!((via, request), (Via::Writes, Request::Join));
        assert!(join.contains("deskwire:shop:snapshot") && join.contains("deskwire:shop:node"), "{join}");
        write_command(&Command::Reconnect, &Keys::of("shop"), |_, _, _| panic!("nothing is sent to Redis"));
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
    fn a_reply_that_does_not_fit_its_request_is_no_answer() {
        let read = |text: &'static str| Reply::read(text.as_bytes()).unwrap().0;
        let page = read(
            "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n*2\r\n$3\r\n5-1\r\n*4\r\n$5\r\nentry\r\n$2\r\n{}\r\n$3\r\ntag\r\n$1\r\nx\r\n\
             *2\r\n$3\r\n5-2\r\n*0\r\n",
        );
        let Some(Answer::Entries(entries, false)) = answer(Request::Read, &page) else { panic!() };
        let [first, second] = ["5-1", "5-2"].map(|id| EntryId::parse(id).unwrap());
        let expected = [Record { id: first, tag: "x", text: "{}" }, Record { id: second, tag: "", text: "" }];
        assert_eq!(entries, expected);
        let nothing = read("*-1\r\n");
        assert!(
            matches!(answer(Request::Read, &nothing), Some(Answer::Entries(entries, false)) if entries.is_empty())
        );
        let role = |text| answer(Request::Role, &read(text)).unwrap();
        assert!(matches!(role("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"), Answer::Master));
        assert!(matches!(
            role("*1\r\n$5\r\nslave\r\n"),
            Answer::Failed("this Redis is a replica, and nodes need the master")
        ));
        let refused = read("-READONLY no\r\n");
        assert!(matches!(answer(Request::Append, &refused), Some(Answer::Failed("READONLY no"))));
        for request in [
            Request::Role,
            Request::Join,
            Request::Append,
            Request::Snapshot,
            Request::Find,
            Request::Read,
            Request::Replay,
        ] {
            assert!(answer(request, &read("+what?\r\n")).is_none(), "{request:?}");
        }
    }
}
