//! The smallest service: it sends each message back. It runs on the same loop and connections as the desk, so this is
//! the place to start reading. Try it with `cargo run --example echo -- 127.0.0.1:9012`.

use deskwire::config::{Limits, Millis};
use deskwire::metrics::Metrics;
use deskwire::net::ConnId;
use deskwire::net::close::CloseReason;
use deskwire::net::frame::Opcode;
use deskwire::net::http::Request;
use deskwire::net::rate::RateVerdict;
use deskwire::net::websocket::Incoming;
use deskwire::outbox::Outbox;
use deskwire::server::Server;
use deskwire::service::{Answer, Priority, Service};

struct Echo;

impl Service for Echo {
    type Guest = ();
    type Identity = ();

    fn request(&mut self, request: &Request<'_>, _: &Metrics) -> Answer<()> {
        match request.handshake() {
            Ok(handshake) => {
                Answer::Upgrade { handshake, protocol: None, guest: (), priority: Priority::Ordinary }
            }
            Err(status) => Answer::Http(status.into()),
        }
    }

    fn opened(&mut self, _: Millis, _: ConnId, (): (), _: &mut Outbox) -> Result<(), CloseReason> {
        Ok(())
    }

    fn message(
        &mut self,
        _: Millis,
        (conn, ()): (ConnId, ()),
        message: Incoming,
        _: RateVerdict,
        out: &mut Outbox,
    ) {
        match message {
            Incoming::Text(text) => out.send(conn, Opcode::Text, |frame| frame.extend(text.as_bytes())),
            Incoming::Binary(bytes) => out.send(conn, Opcode::Binary, |frame| frame.extend(&bytes)),
            Incoming::Control => {}
        }
    }

    fn closed(&mut self, _: Millis, _: (ConnId, ()), _: &mut Outbox) {}
}

#[expect(clippy::print_stderr, reason = "the only line that it has to say")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9012".into()).parse()?;
    const MIB: usize = 1024 * 1024;
    let limits = Limits {
        message_bytes_max: 16 * MIB, // the largest of the conformance suite
        messages_per_s: 0,
        payload_bytes_per_s: 0,
        ..Limits::default()
    };
    let server = Server::bind(address, limits, Echo)?;
    eprintln!("echoing on ws://{}", server.address()?);
    Ok(server.run()?)
}
