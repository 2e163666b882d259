//! One end of a carrier whose peer sends anything, while its users do anything.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wingman_mux::{Config, Event, INITIAL_CREDIT, Incoming, Mux, Role};
use wingman_wire::{
    code::ResetCode,
    frame::{Flags, Frame, FrameType, MAX_MESSAGE, MAX_PAYLOAD, StreamId, put_header},
};

use crate::{
    MAX_SCRIPT,
    choice::{Choice, Scripted},
    pair::base,
};

/// What `script` says happens until the carrier ends or the script does.
pub fn mux_hostile(script: &[u8]) {
    let mut choice = Scripted(script.get(..MAX_SCRIPT).unwrap_or(script));
    let role = choice.one_of(&[Role::Opener, Role::Acceptor]);
    let mut config = Config::new(role);
    config.max_streams = 1 + choice.below(8);
    config.max_head = choice.one_of(&[64 * 1024, 40]);
    config.growth_budget = choice.one_of(&[32 * 1024 * 1024, 300_000, 0]);
    let base = base();
    let mut victim =
        Victim { mux: Mux::new(config, base), config, now: base, received: 0, read: 0 };
    while !choice.is_spent() {
        let alive = if choice.once_in(2) {
            let message = message(&mut choice);
            victim.receive(message)
        } else {
            victim.act(&mut choice)
        };
        victim.mux.check_invariants();
        if !alive {
            return;
        }
    }
}

struct Victim {
    mux: Mux,
    config: Config,
    now: std::time::Instant,
    /// Content bytes that the peer made it take, and that its users took.
    received: usize,
    read: usize,
}

impl Victim {
    fn receive(&mut self, message: Bytes) -> bool {
        let content = content_of(message.clone());
        let alive = self.mux.handle_message(self.now, message).is_ok();
        self.received += content;
        while let Some(event) = self.mux.poll_event() {
            if let Event::Accepted(id) = event {
                assert!(self.config.role == Role::Acceptor && !id.0.is_multiple_of(2));
            }
        }
        if self.config.role == Role::Acceptor {
            assert!(self.mux.streams() <= 8, "limit of streams");
        }
        alive
    }

    /// Lets a user do something; false when the carrier is over.
    fn act(&mut self, choice: &mut impl Choice) -> bool {
        let id = StreamId(choice.below(12) as u32);
        let code = choice.one_of(&ResetCode::ALL);
        match choice.below(12) {
            0 => {
                let head = Bytes::from(vec![b'h'; choice.below(100)]);
                let opened = self.mux.open(head, choice.once_in(2));
                assert!(opened.is_err() || self.mux.streams() <= 8);
            }
            1 => {
                let head = Bytes::from(vec![b'h'; choice.below(100)]);
                let (interim, end) = (choice.once_in(3), choice.once_in(3));
                if self.config.role == Role::Acceptor && !(interim && end) {
                    let _ = self.mux.send_head(id, head, interim, end);
                }
            }
            2 => {
                let mut content = Bytes::from(vec![b'c'; choice.below(100_000)]);
                let _ = self.mux.send_data(id, &mut content);
            }
            3 => {
                let _ = self.mux.finish(id, Bytes::from(vec![b't'; choice.below(30)]));
            }
            4 => self.mux.reset(id, code),
            5 => self.mux.release(id, code),
            6 => self.mux.drain(),
            7 => self.mux.set_max_streams(1 + choice.below(8)),
            8..=9 => {
                while let Some(item) = self.mux.read(id) {
                    match item {
                        Incoming::Data(content) => {
                            assert!(!content.is_empty());
                            self.read += content.len();
                        }
                        Incoming::Head { head, .. } => assert!(head.len() <= self.config.max_head),
                        Incoming::Finish { .. } => assert_eq!(self.mux.read(id), None),
                        Incoming::Reset(_) => {
                            assert_eq!(self.mux.read(id), None);
                            assert!(self.mux.reset_code(id).is_some());
                        }
                    }
                }
                assert!(self.read <= self.received, "nothing is read that was not sent");
            }
            10 => {
                let mut out = BytesMut::new();
                while self.mux.poll_transmit(self.now, &mut out, MAX_MESSAGE) {
                    assert!(out.len() <= MAX_MESSAGE);
                    let mut message = out.split().freeze();
                    while Frame::take(&mut message).expect("what we send is well-formed").is_some()
                    {
                    }
                }
                assert!(!self.mux.has_output());
            }
            _ => {
                self.now += Duration::from_millis(choice.below(6_000) as u64);
                return self.mux.handle_timeout(self.now).is_ok();
            }
        }
        true
    }
}

/// Mostly well-formed frames: noise alone does not come far.
fn message(choice: &mut impl Choice) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..=choice.below(4) {
        let id = StreamId(choice.below(12) as u32);
        let short = choice.below(8);
        let length = choice.one_of(&[short, short, short, MAX_PAYLOAD]);
        let payload = Bytes::from(vec![b'p'; length]);
        match choice.below(16) {
            0..=2 => {
                let flags = Flags(choice.below(4) as u8);
                Frame::Open { stream: id, flags, head: payload }.put(&mut out);
            }
            3..=5 => {
                let flags = Flags(choice.below(8) as u8);
                Frame::Head { stream: id, flags, head: payload }.put(&mut out);
            }
            6..=8 => Frame::Data { stream: id, content: payload }.put(&mut out),
            9 => {
                let total = choice.below(2 * INITIAL_CREDIT as usize) as u64;
                Frame::Finish { stream: id, total, trailers: Bytes::new() }.put(&mut out);
            }
            10 => {
                let code = choice.one_of(&ResetCode::ALL);
                Frame::Reset { stream: id, code }.put(&mut out);
            }
            11 => {
                let bytes = choice.one_of(&[1, 1, 100_000, u32::MAX]);
                Frame::Credit { stream: id, bytes }.put(&mut out);
            }
            12 => Frame::Ping(choice.below(4) as u64).put(&mut out),
            13 => Frame::Pong(choice.below(4) as u64).put(&mut out),
            14 => Frame::Drain.put(&mut out),
            _ => {
                let id = choice.one_of(&[id, StreamId(u32::MAX), StreamId(u32::MAX - 2)]);
                let kind = choice.one_of(&FrameType::ALL);
                put_header(&mut out, id, kind, Flags(choice.below(256) as u8), short);
                out.extend_from_slice(&payload[..short.min(payload.len())]);
            }
        }
    }
    out.freeze()
}

fn content_of(mut message: Bytes) -> usize {
    let mut content = 0;
    while let Ok(Some(frame)) = Frame::take(&mut message) {
        if let Frame::Data { content: data, .. } = frame {
            content += data.len();
        }
    }
    content
}
