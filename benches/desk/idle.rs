//! Idle connections: the memory of each, new and after one chat, and the CPU time that they take.

use crate::crowd::{Crowd, Nanos, SECOND};
use crate::frame::Kind;
use crate::lobby::Lobby;
use crate::server::Server;
use crate::table::Outcome;

/// Chats that are under way at once: few enough that hardly anybody waits and few buffers are in use.
const CHATS_AT_ONCE: usize = 64;
/// The time after which the server has finished its last work.
const SETTLE: Nanos = SECOND / 2;

/// Opens `count` connections and leaves them idle. Then each user has one chat and is idle again.
pub(crate) fn run(server: &Server, count: usize, span: Nanos) -> Outcome {
    let (crowd, lobby) = (&mut Crowd::at(server), &mut Lobby::default());
    let settled_rss = |crowd: &mut Crowd, lobby: &mut Lobby| {
        crowd.run_until_quiet(lobby, SETTLE);
        server.rss_bytes() as f64
    };
    let base = settled_rss(crowd, lobby);
    let cpu = server.cpu_ns();
    let users = lobby.admit_users(crowd, count, "user-");
    let fresh = settled_rss(crowd, lobby);
    let cpu_opened = server.cpu_ns();
    let start = crowd.now();
    crowd.run_to(lobby, start + span);
    let cpu_rested = server.cpu_ns();
    let rested = (crowd.now() - start) as f64;

    let staff = lobby.admit_staff(crowd, 1, "staff-")[0];
    lobby.go_online(crowd, &[staff]);
    users.chunks(CHATS_AT_ONCE).for_each(|some| chat_once(crowd, lobby, staff, some));
    let chatted = settled_rss(crowd, lobby);
    for some in users.chunks(CHATS_AT_ONCE) {
        let before = lobby.count(Kind::TicketRemoved);
        some.iter().for_each(|user| crowd.send(*user, r#"{"type":"close_ticket"}"#));
        lobby.await_more(crowd, Kind::TicketRemoved, before, some.len());
    }
    let closed = settled_rss(crowd, lobby);
    let per_connection = |rss: f64| (rss - base) / count as f64;
    Outcome {
        is_good: true,
        figures: vec![
            ("bytes a connection", per_connection(fresh)),
            ("chatted, ticket open", per_connection(chatted)),
            ("chatted, ticket closed", per_connection(closed)),
            ("connections", count as f64),
            ("KiB before", base / 1024.0),
            ("KiB with all", fresh / 1024.0),
            ("CPU µs to open one", (cpu_opened - cpu) as f64 / 1e3 / count as f64),
            ("CPU % at rest", (cpu_rested - cpu_opened) as f64 / rested * 100.0),
            ("ms to start", server.start.as_secs_f64() * 1e3),
        ],
    }
}

/// A ticket, a pick, a message and a receipt each way.
fn chat_once(crowd: &mut Crowd, lobby: &mut Lobby, staff: usize, users: &[usize]) {
    let count = users.len();
    let before = [Kind::TicketPicked, Kind::StaffJoined, Kind::Message, Kind::Ack, Kind::Delivered]
        .map(|kind| (kind, lobby.count(kind)));
    let [picked, joined, message, ack, delivered] = before;
    lobby.open_tickets(crowd, users);
    users.iter().for_each(|user| lobby.send_pick(crowd, staff, *user));
    lobby.await_more(crowd, picked.0, picked.1, count);
    lobby.await_more(crowd, joined.0, joined.1, count);
    for user in users {
        let ticket = lobby.ticket(*user);
        crowd.send(*user, r#"{"type":"message","id":1,"text":"It is out of paper again, and it blinks."}"#);
        crowd.send(
            staff,
            &format!(r#"{{"type":"message","ticket_id":"{ticket}","id":1,"text":"I am on my way."}}"#),
        );
    }
    lobby.await_more(crowd, message.0, message.1, 2 * count);
    lobby.await_more(crowd, ack.0, ack.1, 2 * count);
    for user in users {
        let ticket = lobby.ticket(*user);
        crowd.send(*user, r#"{"type":"delivered","seq":2}"#);
        crowd.send(staff, &format!(r#"{{"type":"delivered","ticket_id":"{ticket}","seq":2}}"#));
    }
    lobby.await_more(crowd, delivered.0, delivered.1, 2 * count);
}
