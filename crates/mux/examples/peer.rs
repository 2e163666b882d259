//! Both multiplexers of a carrier as a program, for the TypeScript mirror to be compared with.
//!
//! One line of JSON on stdin is a request, one line on stdout its answer. `{"run": …}` is a whole scenario:
//! a list of operations on a fresh pair of ends; the answer lists what each of them was seen to do.
//! `{"decode": …}` judges bytes. `static/test/rust` drives it with the operations that it has just run
//! itself; `crates/mux/tests` says what is right, this program only what is the case.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "it serves a test: a panic fails that, which is its purpose"
)]

use std::{
    collections::VecDeque,
    io::{BufRead, Write},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use wingman_mux::{CarrierError, Config, Event, Incoming, Mux, OpenError, Role, SendError};
use wingman_wire::{
    code::ResetCode,
    frame::{Frame, FrameError, StreamId},
};

#[path = "peer/decode.rs"]
mod decode;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    Run { ends: [Limits; 2], operations: Vec<Operation> },
    Decode { kind: decode::Kind, hex: Vec<String> },
}

/// As in `Config`, numbers that differ from its defaults.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    max_streams: usize,
    max_head: usize,
    max_window: u32,
    growth_budget: usize,
    stream_send_bound: usize,
    send_bound: usize,
}

/// `end` is 0 for the opener, 1 for the acceptor.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Operation {
    Open {
        length: usize,
        last: bool,
    },
    SendHead {
        id: u32,
        length: usize,
        interim: bool,
        last: bool,
    },
    SendData {
        end: usize,
        id: u32,
        length: usize,
    },
    Finish {
        end: usize,
        id: u32,
        length: usize,
    },
    Read {
        end: usize,
        id: u32,
        items: usize,
    },
    Reset {
        end: usize,
        id: u32,
        code: u16,
    },
    Abort {
        id: u32,
        code: u16,
    },
    Release {
        end: usize,
        id: u32,
        code: u16,
    },
    Control {
        end: usize,
        length: usize,
    },
    Drain {
        end: usize,
    },
    MaxStreams {
        end: usize,
        max: usize,
    },
    /// A message from this end onto the wire.
    Transmit {
        end: usize,
        limit: usize,
    },
    /// The first message of the wire to this end.
    Deliver {
        end: usize,
    },
    /// Bytes that no honest peer has sent.
    Hostile {
        end: usize,
        hex: String,
    },
    /// Lets time pass.
    Pass {
        ms: u64,
    },
}

struct Run {
    base: Instant,
    now: Instant,
    /// `None` once it has found the carrier to be of no use.
    ends: [Option<Mux>; 2],
    wires: [VecDeque<Bytes>; 2],
    /// Content bytes sent so far, by end and stream.
    sent: [std::collections::HashMap<u32, usize>; 2],
}

fn main() {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line.unwrap()).unwrap() {
            Request::Run { ends, operations } => {
                let mut run = Run::new(ends);
                operations.iter().map(|operation| run.step(operation)).collect::<Vec<_>>()
            }
            Request::Decode { kind, hex } => {
                hex.iter().map(|hex| decode::verdict(kind, bytes_of(hex))).collect()
            }
        };
        serde_json::to_writer(&mut out, &answer).unwrap();
        out.write_all(b"\n").unwrap();
        out.flush().unwrap();
    }
}

impl Run {
    fn new(limits: [Limits; 2]) -> Self {
        #[allow(clippy::disallowed_methods, reason = "an Instant can be had in no other way")]
        let base = Instant::now();
        let [opener, acceptor] = limits;
        Self {
            base,
            now: base,
            ends: [(Role::Opener, opener), (Role::Acceptor, acceptor)]
                .map(|(role, limits)| Some(Mux::new(limits.config(role), base))),
            wires: Default::default(),
            sent: Default::default(),
        }
    }

    /// What was seen: the operation's own result, then the events of both ends and their state.
    fn step(&mut self, operation: &Operation) -> String {
        let mut seen = self.act(operation);
        for (end, mux) in self.ends.iter_mut().enumerate() {
            let Some(mux) = mux else { continue };
            mux.check_invariants();
            while let Some(event) = mux.poll_event() {
                seen += &format!(" | {end} {}", event_name(&event));
            }
            let timeout = mux.poll_timeout().saturating_duration_since(self.base).as_millis();
            seen += &format!(" | {end}: {} {} {timeout}", mux.streams(), mux.has_output());
        }
        seen
    }

    fn act(&mut self, operation: &Operation) -> String {
        let now = self.now;
        match *operation {
            Operation::Open { length, last } => self.with(0, |mux| {
                let opened = mux.open(pattern(0, length), last);
                opened.map_or_else(|error| open_error(error).to_owned(), |id| id.to_string())
            }),
            Operation::SendHead { id, length, interim, last } => self.with(1, |mux| {
                done(mux.send_head(StreamId(id), pattern(id as usize, length), interim, last))
            }),
            Operation::SendData { end, id, length } => {
                let offset = self.sent[end].get(&id).copied().unwrap_or_default();
                let mut taken = 0;
                let seen = self.with(end, |mux| {
                    let mut content = pattern(end + id as usize + offset, length);
                    let result = mux.send_data(StreamId(id), &mut content);
                    taken = *result.as_ref().unwrap_or(&0);
                    result.map_or_else(send_error, |taken| taken.to_string())
                });
                *self.sent[end].entry(id).or_default() += taken;
                seen
            }
            Operation::Finish { end, id, length } => {
                self.with(end, |mux| done(mux.finish(StreamId(id), pattern(end, length))))
            }
            Operation::Read { end, id, items } => self.with(end, |mux| {
                let read = std::iter::from_fn(|| mux.read(StreamId(id))).take(items);
                read.map(|item| item_name(&item)).collect::<Vec<_>>().join(", ")
            }),
            Operation::Reset { end, id, code } => self.with(end, |mux| {
                mux.reset(StreamId(id), ResetCode::from_wire(code));
                reset_code(mux, id)
            }),
            Operation::Abort { id, code } => self.with(1, |mux| {
                mux.abort(StreamId(id), ResetCode::from_wire(code));
                reset_code(mux, id)
            }),
            Operation::Release { end, id, code } => self.with(end, |mux| {
                mux.release(StreamId(id), ResetCode::from_wire(code));
                reset_code(mux, id)
            }),
            Operation::Control { end, length } => self.with(end, |mux| {
                mux.send_control(pattern(end, length));
                String::new()
            }),
            Operation::Drain { end } => self.with(end, |mux| {
                mux.drain();
                String::new()
            }),
            Operation::MaxStreams { end, max } => self.with(end, |mux| {
                mux.set_max_streams(max);
                String::new()
            }),
            Operation::Transmit { end, limit } => {
                let mut out = BytesMut::new();
                let seen = self.with(end, |mux| {
                    let wrote = mux.poll_transmit(now, &mut out, limit);
                    assert_eq!(wrote, !out.is_empty());
                    digest(&out)
                });
                if !out.is_empty() {
                    self.wires[1 - end].push_back(out.freeze());
                }
                seen
            }
            Operation::Deliver { end } => match self.wires[end].pop_front() {
                Some(message) => self.receive(end, message),
                None => "none".to_owned(),
            },
            Operation::Hostile { end, ref hex } => self.receive(end, bytes_of(hex)),
            Operation::Pass { ms } => {
                self.now += Duration::from_millis(ms);
                let now = self.now;
                [0, 1].map(|end| self.carry(end, |mux| mux.handle_timeout(now))).join(" ")
            }
        }
    }

    fn receive(&mut self, end: usize, message: Bytes) -> String {
        let now = self.now;
        self.carry(end, |mux| mux.handle_message(now, message))
    }

    fn with(&mut self, end: usize, act: impl FnOnce(&mut Mux) -> String) -> String {
        self.ends[end].as_mut().map_or_else(|| "closed".to_owned(), act)
    }

    /// Closes the end when its carrier is of no use any more.
    fn carry(
        &mut self,
        end: usize,
        act: impl FnOnce(&mut Mux) -> Result<(), CarrierError>,
    ) -> String {
        let Some(mux) = &mut self.ends[end] else { return "closed".to_owned() };
        match act(mux) {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                self.ends[end] = None;
                match error {
                    CarrierError::Frame(error) => decode::frame_error(error),
                    CarrierError::Violation(violation) => kebab(&violation),
                    CarrierError::Silent(_) => "silent".to_owned(),
                }
            }
        }
    }
}

impl Limits {
    fn config(&self, role: Role) -> Config {
        Config {
            max_streams: self.max_streams,
            max_head: self.max_head,
            max_window: self.max_window,
            growth_budget: self.growth_budget,
            stream_send_bound: self.stream_send_bound,
            send_bound: self.send_bound,
            ..Config::new(role)
        }
    }
}

fn event_name(event: &Event) -> String {
    match event {
        Event::Accepted(id) => format!("accepted {id}"),
        Event::Readable(id) => format!("readable {id}"),
        Event::Writable(id) => format!("writable {id}"),
        Event::Reset(id) => format!("reset {id}"),
        Event::Control(json) => format!("control {}", digest(json)),
        Event::Drained => "drained".to_owned(),
        Event::RoundTrip(time) => format!("round-trip {}", time.as_millis()),
    }
}

fn item_name(item: &Incoming) -> String {
    match item {
        Incoming::Head { head, interim } => format!("head {} {interim}", digest(head)),
        Incoming::Data(content) => format!("data {}", digest(content)),
        Incoming::Finish { trailers } => format!("finish {}", digest(trailers)),
        Incoming::Reset(code) => format!("reset {}", code.to_wire()),
    }
}

fn reset_code(mux: &Mux, id: u32) -> String {
    mux.reset_code(StreamId(id)).map_or("open".to_owned(), |code| code.to_wire().to_string())
}

fn done(result: Result<(), SendError>) -> String {
    result.map_or_else(send_error, |()| "ok".to_owned())
}

fn send_error(error: SendError) -> String {
    match error {
        SendError::Reset(code) => format!("reset {}", code.to_wire()),
        other => kebab(&other),
    }
}

fn open_error(error: OpenError) -> &'static str {
    match error {
        OpenError::TooMany => "too-many",
        OpenError::Draining => "draining",
        OpenError::TooLarge => "too-large",
        OpenError::Exhausted => "exhausted",
    }
}

/// `BeyondCredit` as `beyond-credit`.
fn kebab(variant: &impl std::fmt::Debug) -> String {
    let mut name = String::new();
    for char in format!("{variant:?}").chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}

/// Bytes in which each place is recognizable: a slice of a long random period.
fn pattern(offset: usize, length: usize) -> Bytes {
    const PERIOD: usize = 65_521;
    static TABLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut word = 1_u32;
        let next = || {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 24) as u8
        };
        std::iter::repeat_with(next).take(PERIOD).collect()
    });
    let mut at = offset % PERIOD;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let part = (length - bytes.len()).min(PERIOD - at);
        bytes.extend_from_slice(&TABLE[at..at + part]);
        at = 0;
    }
    bytes.into()
}

/// Length and FNV-1a.
fn digest(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{}:{hash:08x}", bytes.len())
}

fn bytes_of(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
