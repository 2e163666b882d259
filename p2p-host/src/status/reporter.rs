//! The handle that everything reports to, and the thread that writes it down.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::event::Event;
use super::queue::{Entry, Queue};
use super::totals::{Counter, Totals};
use super::view::View;
use crate::telemetry::Metrics;

/// Reports events; clones share one view.
///
/// [`Reporter::report`] never waits: a thread of its own does the writing, because a stopped
/// terminal or an unread pipe blocks whoever writes, and that must never be a task with exchanges.
/// What happens when it cannot keep up: request log lines are dropped, counted, and the count is
/// shown; the newest event of every other kind always arrives.
#[derive(Clone)]
pub struct Reporter {
    handle: Arc<Handle>,
}

/// How events are shown.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// For whom.
    pub style: Style,
    /// Whether the URL is also shown as a QR code, on a terminal.
    pub qr: bool,
    /// Whether the request log keeps query strings.
    pub log_query: bool,
    /// What only the operating system knows.
    pub terminal: Terminal,
}

/// For whom events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A program: one JSON object per line.
    Json,
    /// A file or a pipe: lines without colours, in full length.
    Plain,
    /// A person at a terminal: lines cut to its width above a status line.
    Live {
        /// Whether to use colours.
        colour: bool,
    },
}

/// Facts about terminal and clock that std does not offer; the caller brings the functions.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Columns of the terminal at this moment, if known.
    pub width: fn() -> Option<u16>,
    /// Seconds east of UTC at a time.
    pub utc_offset: fn(SystemTime) -> i32,
}

/// Writes to stderr without tearing the status line; for the writer of a tracing subscriber.
#[derive(Debug, Clone)]
pub struct LogWriter {
    bar: ProgressBar,
}

impl Options {
    /// JSON if asked for; else live on a terminal (with colours unless `NO_COLOR` is set), else
    /// plain.
    #[must_use]
    pub fn for_stdout(json: bool, qr: bool, log_query: bool, terminal: Terminal) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let style = if json {
            Style::Json
        } else if io::stdout().is_terminal() && !dumb {
            Style::Live { colour: wants_colour() }
        } else {
            Style::Plain
        };
        Self { style, qr, log_query, terminal }
    }

    pub(super) fn colour(&self) -> bool {
        self.style == Style::Live { colour: true }
    }
}

impl Default for Terminal {
    /// Width unknown, times in UTC.
    fn default() -> Self {
        Self { width: || None, utc_offset: |_| 0 }
    }
}

impl Reporter {
    /// Starts the thread that writes to stdout.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let out = BufWriter::with_capacity(OUTPUT_BUFFER, io::stdout());
        Self::start_with(options, Box::new(out), CAPACITY)
    }

    pub(super) fn start_with(
        options: Options,
        out: Box<dyn Write + Send>,
        capacity: usize,
    ) -> io::Result<Self> {
        let target = match options.style {
            Style::Live { .. } => ProgressDrawTarget::stdout(),
            Style::Json | Style::Plain => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let view = View::new(options, out, &bar);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: Queue::new(capacity),
                counter: Counter::new(),
                closed: false,
                idle: false,
            }),
            wake: Condvar::new(),
            closing: Condvar::new(),
        });
        let (done, finished) = watch::channel(());
        let tick = matches!(options.style, Style::Live { .. }).then_some(TICK);
        let worker = Arc::clone(&shared);
        thread::Builder::new().name("wingman-status".into()).spawn(move || {
            write_down(&worker, view, tick);
            drop(done);
        })?;
        let handle =
            Handle { shared, metrics: Metrics::new(), finished, bar, log_query: options.log_query };
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Takes note of an event. Never blocks on the output. After [`Reporter::finish`] it does
    /// nothing.
    pub fn report(&self, mut event: Event) {
        self.handle.metrics.on_event(&event);
        event.scrub(self.handle.log_query);
        let entry = Entry { at: SystemTime::now(), event };
        let mut state = self.handle.shared.state.lock();
        if state.closed {
            return;
        }
        state.counter.count(&entry.event, Instant::now());
        state.queue.push(entry);
        // Under load the thread is busy or pausing: most events cost no system call.
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.handle.shared.wake.notify_one();
        }
    }

    /// The numbers so far; they include exchanges whose line was dropped.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.handle.shared.state.lock().counter.totals(Instant::now())
    }

    /// What Prometheus is told: the events, and what others count there.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.handle.metrics
    }

    /// A writer for the log of this process.
    #[must_use]
    pub fn log_writer(&self) -> LogWriter {
        LogWriter { bar: self.handle.bar.clone() }
    }

    /// Writes what is queued and removes the status line. Gives up after two seconds: nobody may
    /// be reading, and the process has to end all the same.
    pub async fn finish(&self) {
        self.handle.close();
        let mut finished = self.handle.finished.clone();
        // The thread never sends: it drops its end when it is done, or dies.
        let written = async { while finished.changed().await.is_ok() {} };
        if tokio::time::timeout(FINISH_DEADLINE, written).await.is_err() {
            tracing::debug!("nobody reads stdout; the last events were not written");
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What all clones share; when the last one goes, the thread ends.
struct Handle {
    shared: Arc<Shared>,
    metrics: Metrics,
    finished: watch::Receiver<()>,
    bar: ProgressBar,
    log_query: bool,
}

impl Handle {
    fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_one();
        self.shared.closing.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

struct Shared {
    state: Mutex<State>,
    /// For events, while `State::idle`.
    wake: Condvar,
    /// For the end alone.
    closing: Condvar,
}

struct State {
    queue: Queue,
    counter: Counter,
    closed: bool,
    /// The thread waits for an event.
    idle: bool,
}

/// The thread: waits, takes all that is queued, and writes it without holding the lock.
fn write_down(shared: &Shared, mut view: View, tick: Option<Duration>) {
    loop {
        let mut state = shared.state.lock();
        while state.queue.is_empty() && !state.closed {
            state.idle = true;
            match tick {
                Some(tick) => {
                    if shared.wake.wait_for(&mut state, tick).timed_out() {
                        break;
                    }
                }
                None => shared.wake.wait(&mut state),
            }
        }
        state.idle = false;
        let (entries, dropped) = state.queue.take();
        let totals = state.counter.totals(Instant::now());
        let closed = state.closed;
        drop(state);
        for entry in entries {
            view.show(entry, &totals);
        }
        if dropped > 0 {
            view.show_dropped(dropped, &totals);
        }
        // Nothing is queued after `closed`, so this was the rest.
        if closed {
            view.end();
            return;
        }
        view.refresh(&totals);
        let mut state = shared.state.lock();
        if !state.closed {
            shared.closing.wait_for(&mut state, PAUSE);
        }
    }
}

/// Whether a person wants colours (<https://no-color.org>).
pub(super) fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Queued events; about 2 MB if every target has its longest form.
const CAPACITY: usize = 1_024;
/// Between two batches: what comes meanwhile is written together, and exchanges at full speed do not pay
/// for waking the thread each time.
const PAUSE: Duration = Duration::from_millis(40);
/// How often the status line is brought up to date without events: its countdown is in seconds.
const TICK: Duration = Duration::from_millis(500);
const FINISH_DEADLINE: Duration = Duration::from_secs(2);
const OUTPUT_BUFFER: usize = 16 * 1_024;

#[cfg(test)]
mod tests;
