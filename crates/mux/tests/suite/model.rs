//! What the users of two multiplexers must see, whatever they and the carrier do.
//!
//! Each user remembers what it sent; the other one checks what it reads against that: order, no loss, no
//! duplicate, the end only after the last byte. Users act on events alone when a run comes to its end, so
//! a wake-up that is missing shows as a run that does not end.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use wingman_mux::{Config, Event, INITIAL_CREDIT, Incoming, OpenError, Role, SendError};
use wingman_wire::{
    code::ResetCode,
    frame::{HEADER_LEN, MAX_MESSAGE, MAX_PAYLOAD, StreamId},
};

use crate::{
    choice::Choice,
    pair::{Pair, Side},
};

/// One end of an exchange.
#[derive(Debug, Default)]
struct User {
    heads_sent: Vec<(Bytes, bool)>,
    started: bool,
    sent: u64,
    trailers: Option<Bytes>,
    /// Codes by which it reset or let go of the stream.
    codes: Vec<ResetCode>,
    released: bool,
    /// It aborted: its peer reads everything before it learns the code, unless a reset overtakes.
    last_words: Option<ResetCode>,
    heads_read: usize,
    read: u64,
    over: Option<Over>,
    /// An event said that there is something to read, and not everything has been read.
    readable: bool,
    /// It was told to wait and not yet that it may go on.
    waiting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Finished,
    Reset,
    ResetByItself,
}

pub(crate) struct Model {
    pair: Pair,
    configs: [Config; 2],
    users: [BTreeMap<StreamId, User>; 2],
    control: [VecDeque<Bytes>; 2],
    drained: [bool; 2],
    /// What the run reached, so that a test can see that it was not idle.
    pub(crate) reached: Reached,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) finished: usize,
    pub(crate) reset: usize,
    pub(crate) refused: usize,
    pub(crate) waited: usize,
    pub(crate) grown: usize,
    pub(crate) early: usize,
}

impl Model {
    /// One run: operations until `choice` is spent, then everybody comes to an end.
    pub(crate) fn run(choice: &mut impl Choice) -> Reached {
        let mut model = Self::new(choice);
        while !choice.is_spent() {
            model.step(choice);
            model.check();
        }
        model.wind_up();
        model.reached
    }

    fn new(choice: &mut impl Choice) -> Self {
        let mut config = |role| {
            let mut config = Config::new(role);
            config.max_streams = 1 + choice.below(8);
            config.max_head = choice.one_of(&[64 * 1024, 20_000]);
            config.max_window = choice.one_of(&[4 * 1024 * 1024, INITIAL_CREDIT, 700_000]);
            config.growth_budget = choice.one_of(&[32 * 1024 * 1024, 0, 300_000, 1_000_000]);
            config.stream_send_bound = choice.one_of(&[64 * 1024, 16 * 1024, 200_000]);
            config.send_bound = choice.one_of(&[4 * 1024 * 1024, 0, 40_000]);
            config
        };
        let configs = [config(Role::Opener), config(Role::Acceptor)];
        let mut pair = Pair::with(configs[0], configs[1]);
        pair.delay = [0, 1].map(|_| Duration::from_millis(choice.one_of(&[0, 1, 70, 1500])));
        Self {
            pair,
            configs,
            users: Default::default(),
            control: Default::default(),
            drained: [false; 2],
            reached: Reached::default(),
        }
    }

    fn step(&mut self, choice: &mut impl Choice) {
        let side = choice.one_of(&Side::BOTH);
        let live: Vec<_> = self.users[side.index()]
            .iter()
            .filter(|(_, user)| !user.released)
            .map(|(id, _)| *id)
            .collect();
        let id = live.get(choice.below(live.len())).copied();
        match (choice.below(24), id) {
            (0..=1, _) => self.open(choice),
            (2..=3, Some(id)) if side == Side::Acceptor => self.send_head(id, choice),
            (4..=8, Some(id)) => self.send_data(side, id, 1 + choice.below(100_000)),
            (9, Some(id)) => self.finish(side, id, choice.below(40)),
            (10, Some(id)) if choice.once_in(4) => self.reset(side, id, choice),
            (10, Some(id)) if choice.once_in(4) => self.abort(side, id, choice),
            (11, Some(id)) if choice.once_in(2) => self.release(side, id, choice),
            (12..=15, Some(id)) => {
                let items = choice.below(20);
                self.read(side, id, items);
            }
            (16..=18, _) => {
                let room = MAX_MESSAGE - MAX_PAYLOAD - HEADER_LEN;
                let limit = MAX_MESSAGE - choice.one_of(&[0, room, room / 2]);
                self.pair.split = choice.once_in(3);
                self.pair.transmit(side, limit);
            }
            (19..=20, _) => {
                self.pair.deliver(side).expect("honest peers break no rule");
            }
            (21, _) => {
                let by = Duration::from_millis(choice.below(3000) as u64);
                self.pair.advance(by).expect("honest peers break no rule");
            }
            (22, _) => {
                let json = Bytes::from(vec![b'j'; choice.below(300)]);
                self.control[side.other().index()].push_back(json.clone());
                self.pair.mux(side).send_control(json);
            }
            (23, _) if choice.once_in(40) => {
                self.drained[side.index()] = true;
                self.pair.mux(side).drain();
            }
            _ => {}
        }
        self.take_events();
    }

    fn open(&mut self, choice: &mut impl Choice) {
        let length = choice.one_of(&[0, 30, 16_384, 16_385, 50_000, 70_000]);
        let head = Bytes::from(vec![b'o'; length]);
        let end = choice.once_in(3);
        let config = self.configs[0];
        if length <= config.max_head && length > self.configs[1].max_head {
            return;
        }
        let full = self.pair.opener().streams() >= config.max_streams;
        match self.pair.opener().open(head.clone(), end) {
            Ok(id) => {
                assert!(!full && length <= config.max_head, "limits hold");
                assert!(!self.drained[0]);
                let user = User {
                    heads_sent: vec![(head, false)],
                    started: true,
                    trailers: end.then(Bytes::new),
                    ..User::default()
                };
                assert!(self.users[0].insert(id, user).is_none(), "ids are new");
            }
            Err(OpenError::TooMany) => assert!(full),
            Err(OpenError::Draining) => assert!(self.drained[0] || self.drained[1]),
            Err(OpenError::TooLarge) => assert!(length > config.max_head),
            Err(OpenError::Exhausted) => panic!("not in this life"),
        }
    }

    fn send_head(&mut self, id: StreamId, choice: &mut impl Choice) {
        let interim = choice.once_in(4);
        let length = choice.one_of(&[0, 10, 17_000, 65_537]);
        self.put_head(id, Bytes::from(vec![b'h'; length]), interim, choice.once_in(4));
    }

    fn put_head(&mut self, id: StreamId, head: Bytes, interim: bool, end: bool) {
        let end = end && !interim;
        // An interim flood is the peer's right to refuse: stay below it.
        let unread = self.users[1][&id].heads_sent.len() - self.users[0][&id].heads_read;
        let too_large = head.len() > self.configs[0].max_head;
        if (interim && unread >= 8) || too_large && head.len() <= self.configs[1].max_head {
            return;
        }
        // An interim head is one frame.
        let too_large = too_large || (interim && head.len() > MAX_PAYLOAD);
        let result = self.pair.acceptor().send_head(id, head.clone(), interim, end);
        let user = self.user(Side::Acceptor, id);
        match result {
            Ok(()) => {
                assert!(!too_large && !user.started && user.codes.is_empty());
                user.heads_sent.push((head, interim));
                user.started = !interim;
                user.trailers = end.then(Bytes::new);
            }
            Err(SendError::TooLarge) => assert!(too_large),
            Err(error) => self.refused(Side::Acceptor, id, error, |user| user.started),
        }
    }

    /// A refusal has its reason: a reset, or a state in which the user is.
    fn refused(
        &mut self,
        side: Side,
        id: StreamId,
        error: SendError,
        state: impl FnOnce(&User) -> bool,
    ) {
        let user = &self.users[side.index()][&id];
        match error {
            SendError::State => {
                assert!(state(user) || !user.codes.is_empty(), "{side:?} {id}: {user:?}");
            }
            SendError::Reset(code) => {
                let peer = self.users[side.other().index()].get(&id);
                assert!(
                    user.codes.contains(&code)
                        || code == ResetCode::Refused
                        || code == ResetCode::Enough
                        || peer.is_some_and(|peer| peer.codes.contains(&code)),
                    "{side:?} {id}: reset by nobody: {code:?}"
                );
                assert_eq!(self.pair.mux(side).reset_code(id), Some(code));
            }
            SendError::TooLarge | SendError::Unknown => panic!("{side:?} {id}: {error}"),
        }
    }

    fn send_data(&mut self, side: Side, id: StreamId, length: usize) {
        let mut content = content(side, id, self.users[side.index()][&id].sent, length);
        let result = self.pair.mux(side).send_data(id, &mut content);
        self.pair.mux(side).check_invariants();
        match result {
            Ok(taken) => {
                assert_eq!(taken + content.len(), length, "what is not taken stays");
                let user = self.user(side, id);
                assert!(user.started && user.trailers.is_none() && user.codes.is_empty());
                user.sent += taken as u64;
                user.waiting = !content.is_empty();
                self.reached.waited += usize::from(!content.is_empty());
            }
            Err(error) => {
                self.refused(side, id, error, |user| !user.started || user.trailers.is_some());
            }
        }
    }

    fn finish(&mut self, side: Side, id: StreamId, trailers: usize) {
        let trailers = Bytes::from(vec![b't'; trailers]);
        let result = self.pair.mux(side).finish(id, trailers.clone());
        match result {
            Ok(()) => {
                let user = self.user(side, id);
                assert!(user.started && user.trailers.is_none() && user.codes.is_empty());
                user.trailers = Some(trailers);
            }
            Err(error) => {
                self.refused(side, id, error, |user| !user.started || user.trailers.is_some());
            }
        }
    }

    fn reset(&mut self, side: Side, id: StreamId, choice: &mut impl Choice) {
        let code = choice.one_of(&ResetCode::ALL[1..]);
        let mux = self.pair.mux(side);
        let before = mux.reset_code(id);
        mux.reset(id, code);
        mux.check_invariants();
        let after = mux.reset_code(id);
        let user = self.user(side, id);
        if before.is_none() && after.is_some() {
            assert_eq!(after, Some(code));
            user.codes.push(code);
            user.last_words = None;
            user.over.get_or_insert(Over::ResetByItself);
        } else {
            // Too late: it had ended, and what waits to be read stays.
            assert_eq!(before, after);
        }
    }

    fn abort(&mut self, side: Side, id: StreamId, choice: &mut impl Choice) {
        let code = choice.one_of(&ResetCode::ALL[1..]);
        let mux = self.pair.mux(side);
        let was_reset = mux.reset_code(id).is_some();
        let user = &self.users[side.index()][&id];
        if was_reset || user.trailers.is_some() && user.over.is_none() {
            return;
        }
        mux.abort(id, code);
        mux.check_invariants();
        let user = self.user(side, id);
        if user.codes.is_empty() && user.trailers.is_none() {
            user.last_words = Some(code);
        }
        user.codes.push(code);
        user.over.get_or_insert(Over::ResetByItself);
    }

    fn release(&mut self, side: Side, id: StreamId, choice: &mut impl Choice) {
        let code = choice.one_of(&ResetCode::ALL[1..]);
        self.let_go(side, id, code);
    }

    fn let_go(&mut self, side: Side, id: StreamId, code: ResetCode) {
        self.pair.mux(side).release(id, code);
        self.pair.mux(side).check_invariants();
        let early = side == Side::Acceptor;
        let user = self.user(side, id);
        user.released = true;
        // A response that is complete is sent whole; anything else is cancelled.
        if early && user.trailers.is_some() && user.codes.is_empty() && user.over.is_none() {
            self.reached.early += 1;
        } else {
            user.codes.push(code);
        }
    }

    fn read(&mut self, side: Side, id: StreamId, items: usize) {
        for _ in 0..items {
            let item = self.pair.mux(side).read(id);
            self.pair.mux(side).check_invariants();
            let was_readable = self.user(side, id).readable;
            let Some(item) = item else {
                self.user(side, id).readable = false;
                return;
            };
            assert!(was_readable, "{side:?} {id}: nobody said that {item:?} is there");
            self.check_item(side, id, item);
        }
    }

    fn check_item(&mut self, side: Side, id: StreamId, item: Incoming) {
        let other = side.other();
        let [opener, acceptor] = &mut self.users;
        let (me, peer) = match side {
            Side::Opener => (opener.get_mut(&id), acceptor.get(&id)),
            Side::Acceptor => (acceptor.get_mut(&id), opener.get(&id)),
        };
        let me = me.expect("it reads");
        assert!(me.over.is_none(), "{side:?} {id}: {item:?} after the end");
        match item {
            Incoming::Head { head, interim } => {
                let sent = &peer.expect("it sent").heads_sent[me.heads_read];
                assert!(sent.0 == head && sent.1 == interim, "{side:?} {id}: another head");
                assert_eq!(me.read, 0, "heads come first");
                me.heads_read += 1;
            }
            Incoming::Data(data) => {
                assert!(!data.is_empty());
                assert!(data == content(other, id, me.read, data.len()), "{side:?} {id}: order");
                me.read += data.len() as u64;
                assert!(me.read <= peer.expect("it sent").sent);
            }
            Incoming::Finish { trailers } => {
                let peer = peer.expect("it sent");
                assert_eq!(peer.trailers, Some(trailers), "{side:?} {id}: the peer finished");
                assert_eq!(me.read, peer.sent, "{side:?} {id}: nothing lost before the end");
                assert_eq!(me.heads_read, peer.heads_sent.len());
                me.over = Some(Over::Finished);
                self.reached.finished += 1;
            }
            Incoming::Reset(code) => {
                match peer {
                    Some(peer) => {
                        assert!(peer.codes.contains(&code), "{side:?} {id}: {code:?}");
                        if peer.last_words == Some(code) {
                            assert_eq!(me.read, peer.sent, "{side:?} {id}: last words");
                        }
                    }
                    None => {
                        assert_eq!(code, ResetCode::Refused, "{side:?} {id}");
                        self.reached.refused += 1;
                    }
                }
                me.over = Some(Over::Reset);
                self.reached.reset += 1;
            }
        }
    }

    fn take_events(&mut self) {
        for side in Side::BOTH {
            for event in self.pair.events(side) {
                match event {
                    Event::Accepted(id) => {
                        assert_eq!(side, Side::Acceptor);
                        let user = User { readable: true, ..User::default() };
                        assert!(self.users[1].insert(id, user).is_none(), "accepted once");
                    }
                    Event::Readable(id) => {
                        let user = self.user(side, id);
                        assert!(!user.readable, "{side:?} {id}: told twice");
                        assert!(!user.released, "{side:?} {id}: nobody is there to read");
                        user.readable = true;
                    }
                    Event::Writable(id) => {
                        let user = self.user(side, id);
                        assert!(user.waiting, "{side:?} {id}: did not wait");
                        user.waiting = false;
                    }
                    Event::Reset(id) => {
                        let user = self.user(side, id);
                        user.readable = true;
                        user.waiting = false;
                    }
                    Event::Control(json) => {
                        assert_eq!(self.control[side.index()].pop_front(), Some(json));
                    }
                    Event::Drained => assert!(self.drained[side.other().index()]),
                    Event::RoundTrip(time) => {
                        let floor = self.pair.delay[0] + self.pair.delay[1];
                        assert!(time >= floor, "{time:?} on a carrier of {floor:?}");
                    }
                }
            }
        }
    }

    /// Bounds, after each step.
    fn check(&mut self) {
        for side in Side::BOTH {
            let config = self.configs[side.index()];
            let mut queued = 0;
            let mut grown = 0;
            for (id, user) in &self.users[side.index()] {
                let sent = self.pair.observer.seen(side, *id);
                if sent.reset.is_none() && user.codes.is_empty() {
                    let waits = user.sent.saturating_sub(sent.content) as usize;
                    let bound = config.stream_send_bound.max(MAX_PAYLOAD);
                    assert!(waits <= bound, "{side:?} {id}: {waits} bytes wait");
                    if !user.released && self.pair.mux(side).reset_code(*id).is_none() {
                        queued += waits;
                    }
                }
                // What the peer may still send and what waits for this user.
                if user.over.is_none() && !user.released {
                    let held = u64::from(INITIAL_CREDIT) + sent.granted - user.read;
                    let window = config.max_window.max(INITIAL_CREDIT);
                    assert!(held <= u64::from(window), "{side:?} {id}: window of {held}");
                    grown += held.saturating_sub(u64::from(INITIAL_CREDIT)) as usize;
                }
            }
            let bound = config.send_bound + config.stream_send_bound;
            let bound = bound + config.max_streams.max(8) * MAX_PAYLOAD;
            assert!(queued <= bound, "{side:?}: {queued} bytes wait of at most {bound}");
            assert!(grown <= config.growth_budget, "{side:?}: grown by {grown}");
            self.reached.grown += usize::from(grown > 0);
            assert!(self.pair.mux(side).streams() <= config.max_streams, "limit of streams");
        }
    }

    /// Everybody says what it has to say, reads what there is to read, and lets go; on events alone.
    fn wind_up(&mut self) {
        loop {
            let mut busy = false;
            for side in Side::BOTH {
                let ids: Vec<_> = self.users[side.index()].keys().copied().collect();
                for id in ids {
                    busy |= self.wind_up_one(side, id);
                }
            }
            for side in Side::BOTH {
                busy |= self.pair.transmit(side, MAX_MESSAGE).is_some();
                self.take_events();
                while self.pair.deliver(side).expect("honest peers break no rule") {
                    busy = true;
                    self.take_events();
                }
            }
            self.check();
            if !busy {
                let Some(arrival) = self.pair.next_arrival() else { break };
                self.pair.now = arrival;
            }
        }
        for side in Side::BOTH {
            for (id, user) in &self.users[side.index()] {
                assert!(user.released, "{side:?} {id} waits for ever: {user:?}");
            }
            assert!(self.control[side.index()].is_empty(), "control messages arrive");
        }
        self.pair.assert_quiet();
    }

    /// Returns whether it did something.
    fn wind_up_one(&mut self, side: Side, id: StreamId) -> bool {
        let mut busy = false;
        if self.user(side, id).released {
            return false;
        }
        if self.user(side, id).readable {
            self.read(side, id, usize::MAX);
            busy = true;
        }
        let may_send = self.pair.mux(side).reset_code(id).is_none();
        let user = self.user(side, id);
        let silent = user.trailers.is_some() || !user.codes.is_empty() || !may_send;
        if !silent && !user.waiting {
            busy = true;
            if !user.started {
                self.put_head(id, Bytes::from_static(b"late"), false, false);
            } else if user.sent < 50_000 {
                self.send_data(side, id, 30_000);
            } else {
                self.finish(side, id, 3);
            }
        }
        let user = self.user(side, id);
        if silent && user.over.is_some() {
            self.let_go(side, id, ResetCode::Cancelled);
            busy = true;
        }
        busy
    }

    fn user(&mut self, side: Side, id: StreamId) -> &mut User {
        self.users[side.index()].get_mut(&id).unwrap_or_else(|| panic!("{side:?} has no {id}"))
    }
}

/// The bytes `from` sends on a stream, from `offset` on: each place is recognizable.
pub(crate) fn content(from: Side, id: StreamId, offset: u64, length: usize) -> Bytes {
    const PERIOD: usize = 65_521;
    static TABLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut word = 1_u32;
        let next = || {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 24) as u8
        };
        std::iter::repeat_with(next).take(PERIOD).collect()
    });
    let start = u64::from(id.0) * 7919 + from.index() as u64 * 31_337 + offset;
    let mut at = (start % PERIOD as u64) as usize;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let part = (length - bytes.len()).min(PERIOD - at);
        bytes.extend_from_slice(&TABLE[at..at + part]);
        at = 0;
    }
    bytes.into()
}
