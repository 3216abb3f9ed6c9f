//! Attacks by coming and going: connections that are opened, refused or dropped as fast as possible.

use std::time::Duration;

use super::plan::Plan;
use super::stage::{Stage, user_request};
use super::swarm::News;
use crate::server::TOKEN;
use crate::websocket;

/// When a connection is reset and the next one opened.
#[derive(Clone, Copy, PartialEq)]
enum Leave {
    AtOnce,
    WhenUpgraded,
    WhenRefused,
}

/// Comes and goes on this many connections at once.
fn churn(stage: &mut Stage, leave: Leave, request: impl Fn(&str, usize) -> Vec<u8>, least: u64) {
    let host = stage.host();
    stage.ready();
    let mut number = 0;
    let mut next = || {
        number += 1;
        Plan::new(request(&host, number))
    };
    let whos: Vec<_> = (0..stage.connections)
        .map(|_| {
            let plan = next();
            stage.swarm.connect(plan)
        })
        .collect();
    let mut done: u64 = 0;
    // If nothing is answered, there is nothing to wait for.
    let wait = if leave == Leave::AtOnce { Duration::ZERO } else { Duration::from_millis(5) };
    while let Some(all) = stage.turn_within(wait) {
        if leave == Leave::AtOnce {
            for who in &whos {
                stage.swarm.reconnect(*who, next());
                done += 1;
            }
            continue;
        }
        for news in all {
            let who = match news {
                News::Upgraded(who) if leave == Leave::WhenUpgraded => {
                    done += 1;
                    who
                }
                News::Answer(who) => {
                    done += 1;
                    who
                }
                News::Gone(who, code) => {
                    done += u64::from(code.is_some());
                    who
                }
                _ => continue,
            };
            stage.swarm.reconnect(who, next());
        }
    }
    stage.did("connections", done, least);
}

pub(crate) fn connects(stage: &mut Stage) {
    churn(stage, Leave::AtOnce, |_, _| Vec::new(), 1000);
}

pub(crate) fn upgrades(stage: &mut Stage) {
    let request = |host: &str, number: usize| user_request(host, &format!("mallory-{number}"), Some(number));
    churn(stage, Leave::WhenUpgraded, request, 1000);
}

pub(crate) fn wrong_tokens(stage: &mut Stage) {
    churn(stage, Leave::WhenRefused, wrong_token, 1000);
}

fn wrong_token(host: &str, number: usize) -> Vec<u8> {
    let mut request = Vec::new();
    let path = format!("/ws/staff/{}", "m".repeat(64));
    websocket::append_request(&mut request, host, &path, Some(&format!("{TOKEN}{number}")));
    request
}

/// Wrong tokens and foreign origins in turn, with ids and origins of maximum length, to make long log lines.
pub(crate) fn log_lines(stage: &mut Stage) {
    let request = |host: &str, number: usize| {
        if number.is_multiple_of(2) {
            return wrong_token(host, number);
        }
        let mut request = Vec::new();
        let path = format!("/ws/user/{}", "m".repeat(64));
        let origin = format!("Origin: http://{}.example\r\n", "\u{1}m\\\"".repeat(100).replace('\u{1}', "%"));
        websocket::append_request_with(&mut request, host, &path, None, &origin);
        request
    };
    churn(stage, Leave::WhenRefused, request, 100);
}
