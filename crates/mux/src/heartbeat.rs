//! PING and PONG: is the peer alive, and how far away is it?

use std::time::{Duration, Instant};

use crate::config::HeartbeatConfig;

/// Any message counts as a sign of life; PINGs only make sure that there is one. Tokens count up, so a
/// PONG is matched to its PING without a table.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    config: HeartbeatConfig,
    heard: Instant,
    next_ping: Instant,
    token: u64,
    asked: Option<(u64, Instant)>,
    ping_due: bool,
    pong_due: Option<u64>,
}

impl Heartbeat {
    pub(crate) fn new(config: HeartbeatConfig, now: Instant) -> Self {
        let next_ping = later(now, config.period);
        Self {
            config,
            heard: now,
            next_ping,
            token: 0,
            asked: None,
            ping_due: false,
            pong_due: None,
        }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Asks for a sign of life now, besides the regular ones.
    pub(crate) fn ask(&mut self) {
        self.ping_due = true;
    }

    /// Only the newest PING is answered: a flood of them costs one PONG per transmitted message.
    pub(crate) fn on_ping(&mut self, token: u64) {
        self.pong_due = Some(token);
    }

    /// The round trip, if this answers the PING that is out.
    pub(crate) fn on_pong(&mut self, token: u64, now: Instant) -> Option<Duration> {
        let (expected, sent) = self.asked?;
        if token != expected {
            return None;
        }
        self.asked = None;
        Some(now.saturating_duration_since(sent))
    }

    pub(crate) fn take_pong(&mut self) -> Option<u64> {
        self.pong_due.take()
    }

    pub(crate) fn take_ping(&mut self, now: Instant) -> Option<u64> {
        if !std::mem::take(&mut self.ping_due) {
            return None;
        }
        self.token = self.token.wrapping_add(1);
        self.asked = Some((self.token, now));
        Some(self.token)
    }

    pub(crate) fn has_output(&self) -> bool {
        self.ping_due || self.pong_due.is_some()
    }

    /// The silence so far when it has reached the deadline.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Duration> {
        let silence = now.saturating_duration_since(self.heard);
        if silence >= self.config.deadline {
            return Some(silence);
        }
        if now >= self.next_ping {
            self.ping_due = true;
            self.next_ping = later(now, self.config.period);
        }
        None
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        later(self.heard, self.config.deadline).min(self.next_ping)
    }
}

/// A duration too long to add is never over; a year is as good.
fn later(from: Instant, duration: Duration) -> Instant {
    from.checked_add(duration).or_else(|| from.checked_add(YEAR)).unwrap_or(from)
}

const YEAR: Duration = Duration::from_secs(365 * 86_400);
