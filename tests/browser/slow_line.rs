//! A slow line between a browser and the desk: for measurements, not for tests.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that are sent in one piece: about a segment of TCP.
const PIECE: usize = 1400;

#[derive(Clone, Copy)]
pub struct SlowLine {
    pub addr: SocketAddr,
    desk: SocketAddr,
    round_trip: Duration,
    bits_per_s: u32,
}

impl SlowLine {
    pub fn to(desk: SocketAddr, round_trip: Duration, bits_per_s: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let line = Self { addr, desk, round_trip, bits_per_s };
        thread::spawn(move || {
            for page in listener.incoming().flatten() {
                let Ok(desk) = TcpStream::connect(line.desk) else { continue };
                let twin = |stream: &TcpStream| stream.try_clone().expect("descriptors enough");
                // The browser believes that it is connected. On the line, TCP's own handshake takes a round trip first.
                let opened = Instant::now() + line.round_trip;
                line.carry(twin(&page), twin(&desk), opened);
                line.carry(desk, page, opened);
            }
        });
        line
    }

    /// Carries bytes one way, in threads of its own.
    fn carry(self, mut from: TcpStream, to: TcpStream, opened: Instant) {
        let (sender, pieces) = channel();
        thread::spawn(move || {
            let mut bytes = [0; PIECE];
            while let Ok(n @ 1..) = from.read(&mut bytes) {
                if sender.send((Instant::now().max(opened), bytes[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || self.deliver(&pieces, to));
    }

    fn deliver(self, pieces: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
        let mut free_at = Instant::now();
        while let Ok((sent_at, bytes)) = pieces.recv() {
            // The line takes one piece after the other, and each is under way for half a round trip.
            let bits = u32::try_from(bytes.len() * 8).expect("a piece is small");
            free_at = free_at.max(sent_at) + Duration::from_secs(1) * bits / self.bits_per_s;
            thread::sleep((free_at + self.round_trip / 2).saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write); // the other end may be gone already
    }
}
