//! Attacks within chats: texts for those who read slowly or not at all.

use std::collections::HashMap;
use std::time::Duration;

use super::stage::{Stage, is_kind, staff_request, text, user_request};
use super::swarm::{Line, News, Plan, Reading};
use super::tickets::CREATE;
use crate::frame::Kind;

/// A message of nearly 16 kB: 4,000 characters of four bytes. `ticket` is empty for a user.
fn long_message(ticket: &str, id: u64) -> Vec<u8> {
    let long = "\u{1F5A8}".repeat(4000);
    let ticket = if ticket.is_empty() { String::new() } else { format!(r#""ticket_id":"{ticket}","#) };
    text(&format!(r#"{{"type":"message",{ticket}"id":{id},"text":"{long}"}}"#))
}

fn pick(ticket: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"pick_ticket","ticket_id":"{ticket}"}}"#))
}

/// One user pastes 90 long messages at once, again and again, to a staff member who reads 1.7 MB/s and has three other
/// chats.
pub(crate) fn paste(stage: &mut Stage) {
    const MESSAGES: u64 = 90;
    const OTHERS: usize = 3;
    const PASTE_EVERY: Duration = Duration::from_secs(1);
    const OTHERS_EVERY: Duration = Duration::from_millis(100);
    let host = stage.host();
    let plan = Plan { line: Line::Slow, ..Plan::new(staff_request(&host, "reader")) };
    let staff = stage.open([plan].into_iter())[0];
    stage.ask_each(&[staff], r#"{"type":"go_online"}"#, Kind::Presence);
    let others = stage.users(OTHERS, "other-");
    for ticket in stage.ask_each(&others, CREATE, Kind::TicketCreated) {
        stage.swarm.send(staff, &pick(&ticket));
    }
    let mut joined = 0;
    stage.until("the other chats", |_, news| {
        joined += usize::from(is_kind(&news, Kind::StaffJoined));
        joined == OTHERS
    });
    stage.swarm.set_reading(staff, Reading::BytesPerSecond(1.7e6));
    stage.ready();
    let mut pasters = 0;
    let mut new_paster = |stage: &mut Stage| {
        pasters += 1;
        let mut request = user_request(&host, &format!("paster-{pasters}"), Some(OTHERS + pasters));
        request.extend_from_slice(&text(CREATE));
        stage.swarm.connect(Plan { listens: true, ..Plan::new(request) })
    };
    let mut paster = new_paster(stage);
    let (mut pastes, mut can_paste_at, mut id, mut other_id) = (0, Duration::MAX, 0, 0);
    let (mut staff_closed, mut locked, mut refused, mut acks) = (0, 0, 0, 0);
    while let Some(all) = stage.turn() {
        for news in all {
            match news {
                News::Gone(who, _) if who == staff => staff_closed += 1,
                News::Gone(who, _) if who == paster => {
                    (paster, can_paste_at, id) = (new_paster(stage), Duration::MAX, 0);
                }
                News::Frame(who, frame) => match frame.kind {
                    Kind::TicketCreated if who == paster => stage.swarm.send(staff, &pick(&frame.ticket)),
                    Kind::StaffJoined if who == paster => can_paste_at = stage.elapsed(),
                    Kind::StaffOffline => locked += 1,
                    Kind::Ack if who != paster => acks += 1,
                    Kind::Error if others.contains(&who) => refused += 1,
                    Kind::Message if who == staff => {
                        let seen = format!(
                            r#"{{"type":"delivered","ticket_id":"{}","seq":{}}}"#,
                            frame.ticket, frame.seq
                        );
                        stage.swarm.send(staff, &text(&seen));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        if stage.elapsed() > can_paste_at {
            can_paste_at += PASTE_EVERY;
            pastes += 1;
            for _ in 0..MESSAGES {
                id += 1;
                stage.swarm.send(paster, &long_message("", id));
            }
        }
        if stage.elapsed() > OTHERS_EVERY * (other_id + 1) {
            other_id += 1;
            let message = text(&format!(r#"{{"type":"message","id":{other_id},"text":"Hello?"}}"#));
            others.iter().for_each(|who| stage.swarm.send(*who, &message));
        }
    }
    stage.did("pastes of 90", pastes, 1);
    stage.did("messages of others accepted", acks, 10);
    stage.harm("staff closed", staff_closed);
    stage.harm("chats locked", locked);
    stage.harm("messages of others refused", refused);
}

/// A staff member with 20 chats, each with four long messages that they have not seen, comes back on a line of 0.9 MB/s,
/// and again as soon as they have everything.
pub(crate) fn staff_return(stage: &mut Stage) {
    const CHATS: usize = 20;
    const UNREAD: u64 = 4;
    let host = stage.host();
    let staff = stage.staff(1, "returning-")[0];
    stage.ask_each(&[staff], r#"{"type":"go_online"}"#, Kind::Presence);
    let users = stage.users(CHATS, "chat-");
    stage.ask_each(&users, CREATE, Kind::TicketCreated);
    // Each is assigned at once. Some hear that after the answer to the last: their messages are refused until then.
    for id in 1..=UNREAD {
        for user in &users {
            stage.swarm.send(*user, &long_message("", id));
        }
        let mut acks = 0;
        stage.until("an ack", |_, news| {
            assert!(!is_kind(&news, Kind::Error), "a message is refused");
            acks += usize::from(is_kind(&news, Kind::Ack));
            acks == CHATS
        });
    }
    stage.swarm.reset(staff);
    let mut locked = 0;
    stage.until("the lock", |_, news| {
        locked += usize::from(is_kind(&news, Kind::StaffOffline));
        locked == CHATS
    });
    stage.ready();
    let plan = Plan {
        line: Line::Slow,
        reading: Reading::BytesPerSecond(0.9e6),
        listens: true,
        ..Plan::new(staff_request(&host, "returning-0"))
    };
    let staff = stage.swarm.connect(plan.clone());
    let (mut picked, mut messages, mut since) = (0, HashMap::<String, u64>::new(), stage.elapsed());
    let (mut returns, mut cuts, mut longest) = (0, 0, Duration::ZERO);
    while let Some(all) = stage.turn() {
        for news in all {
            match news {
                News::Gone(who, _) if who == staff => {
                    cuts += 1;
                    (picked, since) = (0, stage.elapsed());
                    messages.clear();
                    stage.swarm.reconnect(staff, plan.clone());
                }
                News::Frame(who, frame) if who == staff => match frame.kind {
                    Kind::Welcome => stage.swarm.send(staff, &text(r#"{"type":"go_online"}"#)),
                    Kind::TicketPicked => picked += 1,
                    Kind::Message => *messages.entry(frame.ticket).or_default() += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        if picked == CHATS && messages.values().sum::<u64>() == UNREAD * CHATS as u64 {
            returns += 1;
            longest = longest.max(stage.elapsed() - since);
            (picked, since) = (0, stage.elapsed());
            messages.clear();
            stage.swarm.reconnect(staff, plan.clone());
        }
    }
    stage.did("whole returns", returns, 1);
    stage.note("longest return ms", longest.as_millis() as u64);
    stage.harm("cut at the return", cuts);
}

/// Users who read nothing, and staff who write to them as much as they may.
pub(crate) fn unread(stage: &mut Stage) {
    const CHATS_EACH: usize = 5;
    const BURST_MESSAGES: u32 = 15;
    const MESSAGE_EVERY: Duration = Duration::from_millis(267); // 60 KiB/s
    let host = stage.host();
    let each = if stage.connections <= 100 { 1 } else { CHATS_EACH };
    let users: Vec<_> = (0..stage.connections)
        .map(|number| Plan {
            line: Line::Slow,
            ..Plan::new(user_request(&host, &format!("deaf-{number}"), Some(number)))
        })
        .collect();
    let users = stage.open(users.into_iter());
    let tickets = stage.ask_each(&users, CREATE, Kind::TicketCreated);
    let staff = stage.staff(stage.connections.div_ceil(each), "writer-");
    stage.ask_each(&staff, r#"{"type":"go_online"}"#, Kind::Presence);
    for (number, ticket) in tickets.iter().enumerate() {
        stage.swarm.send(staff[number / each], &pick(ticket));
    }
    let mut joined = 0;
    stage.until("the chats", |_, news| {
        joined += usize::from(is_kind(&news, Kind::StaffJoined));
        joined == users.len()
    });
    users.iter().for_each(|who| stage.swarm.set_reading(*who, Reading::Nothing));
    stage.ready();
    let (mut rounds, mut acks, mut refused, mut staff_closed) = (0, 0, 0, 0);
    while let Some(all) = stage.turn() {
        for news in all {
            acks += u64::from(is_kind(&news, Kind::Ack));
            refused += u64::from(is_kind(&news, Kind::Error));
            staff_closed += u64::from(matches!(news, News::Gone(who, _) if staff.contains(&who)));
        }
        if rounds < BURST_MESSAGES || stage.elapsed() > MESSAGE_EVERY * (rounds - BURST_MESSAGES + 1) {
            for (number, writer) in staff.iter().enumerate() {
                let chat = (number * each + rounds as usize % each).min(tickets.len() - 1);
                stage.swarm.send(*writer, &long_message(&tickets[chat], u64::from(rounds) + 1));
            }
            rounds += 1;
        }
    }
    stage.did("messages accepted", acks, users.len() as u64);
    stage.note("messages refused", refused);
    stage.harm("staff closed", staff_closed);
}
