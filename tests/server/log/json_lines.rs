//! `--log-format json`: each line is an object, for programs.

use super::{LINE_BYTES_MAX, chat_and_refuse, lost_in_a_full_pipe};
use crate::support::{Desk, Launch, Request, Value, Wire, json};

/// Parses a line as an object, and checks that it has every field.
fn object(line: &str) -> Value {
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for key in ["time", "level", "target", "message"] {
        assert!(object[key].is_string(), "no {key}: {line}");
    }
    object
}

#[test]
fn in_json_every_line_is_an_object_and_the_rest_of_a_second_is_counted_in_it() {
    let desk = Desk::with(&["--log-format", "json", "--log-level", "debug"]);
    // It is quoted in the message, and the quotes and escapes are escaped once more.
    let odd = format!("http://\"\\{}\u{200b}\u{1f600}", "\u{85}".repeat(100));
    desk.server.in_one_turn(|| {
        for _ in 0..4 {
            let mut wire = Wire::connect(desk.server.addr);
            let request = Request::upgrade("/ws/user/mallory").header("Origin", &odd);
            wire.write(&request.bytes(desk.server.addr));
        }
    });
    desk.server.log.wait("the count", |line| line.ends_with(",\"more\":2}"));
    chat_and_refuse(&desk);
    let written = desk.server.stop();
    let objects: Vec<Value> = written.stderr.iter().map(|line| object(line)).collect();
    let refused = |object: &&Value| object["message"].as_str().unwrap().contains("a page of \"http://\\\"");
    let refused: Vec<&Value> = objects.iter().filter(refused).collect();
    assert_eq!(refused.len(), 2, "{objects:#?}");
    assert_eq!([&refused[0]["more"], &refused[1]["more"]], [&Value::Null, &json!(2)]);
    assert_eq!(refused[0]["target"], "deskwire::desk::admission");
    assert!(objects.iter().any(|object| object["level"] == "DEBUG"));
    assert_eq!(objects.last().unwrap()["message"], "stopped");
    for line in &written.stderr {
        assert!(line.len() < LINE_BYTES_MAX && !line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn in_json_a_line_says_how_many_were_lost_and_why_a_desk_does_not_start() {
    let (lost, rest) = lost_in_a_full_pipe(Launch::new().args(&["--log-format", "json"]));
    let first = object(rest.trim_start_matches('.').lines().next().unwrap());
    assert_eq!(first["message"], format!("{lost} lines of the log could not be written"));
    assert_eq!(first["level"], "WARN");

    let launch = Launch::new().args(&["--log-format", "json", "--staff-file", "/no/such/file"]);
    let outcome = launch.run();
    assert_eq!(outcome.code, Some(2));
    assert!(object(&outcome.stderr[0])["message"].as_str().unwrap().contains("/no/such/file"));
}
