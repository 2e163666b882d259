use std::sync::mpsc;

use serde_json::Value;

use super::*;
use crate::status::event::ExchangeRecord;
use crate::status::tests::{ready, record};

const JSON: Options = Options {
    style: Style::Json,
    qr: true,
    log_query: false,
    terminal: Terminal { width: || None, utc_offset: |_| 0 },
};

/// A pipe whose reader reads only when told to.
#[derive(Clone, Default)]
struct Pipe {
    shared: Arc<(Mutex<PipeState>, Condvar)>,
}

#[derive(Default)]
struct PipeState {
    blocked: bool,
    waiting: bool,
    broken: bool,
    bytes: Vec<u8>,
}

impl Pipe {
    fn set(&self, change: impl FnOnce(&mut PipeState)) {
        change(&mut self.shared.0.lock());
        self.shared.1.notify_all();
    }

    fn wait_until(&self, reached: impl Fn(&PipeState) -> bool) {
        let mut state = self.shared.0.lock();
        while !reached(&state) {
            let waited = self.shared.1.wait_for(&mut state, Duration::from_secs(10));
            assert!(!waited.timed_out(), "the writer never got there");
        }
    }

    fn events(&self) -> Vec<Value> {
        let state = self.shared.0.lock();
        let text = std::str::from_utf8(&state.bytes).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.0.lock();
        while state.blocked {
            state.waiting = true;
            self.shared.1.notify_all();
            self.shared.1.wait(&mut state);
        }
        if state.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.bytes.extend_from_slice(bytes);
        self.shared.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(options: Options, capacity: usize) -> (Reporter, Pipe) {
    let pipe = Pipe::default();
    let reporter = Reporter::start_with(options, Box::new(pipe.clone()), capacity);
    (reporter.expect("a thread"), pipe)
}

fn exchange() -> Event {
    Event::Exchange(record())
}

#[tokio::test]
async fn events_arrive_in_order_and_finish_waits_for_the_last() {
    let (reporter, pipe) = start(JSON, 100);
    reporter.report(ready());
    for active in 0..50 {
        reporter.clone().report(Event::Visitors { active, total: 0 });
    }
    reporter.finish().await;
    let events = pipe.events();
    assert_eq!(events.len(), 51);
    for (position, event) in events.iter().skip(1).enumerate() {
        assert_eq!(event["active"], position);
    }
    reporter.report(exchange());
    reporter.finish().await;
    assert_eq!(pipe.events().len(), 51, "after the end nothing is written");
}

#[tokio::test]
async fn a_blocked_output_drops_log_lines_counts_them_and_loses_nothing_else() {
    let (reporter, pipe) = start(JSON, 20);
    pipe.set(|state| state.blocked = true);
    reporter.report(ready());
    // From here on the thread is inside `write`, and the queue is all there is.
    pipe.wait_until(|state| state.waiting);
    for _ in 0..100 {
        reporter.report(exchange());
    }
    reporter.report(Event::Warning { message: "kept".into() });
    reporter.report(Event::Closing { reason: "kept".into() });
    assert_eq!(reporter.totals().exchanges, 100, "the totals know of dropped lines");
    pipe.set(|state| state.blocked = false);
    reporter.finish().await;
    let names: Vec<String> = pipe.events().iter().map(|event| event["event"].to_string()).collect();
    let count = |name: &str| names.iter().filter(|n| **n == format!("\"{name}\"")).count();
    assert_eq!(
        (count("ready"), count("exchange"), count("warning"), count("closing")),
        (1, 18, 1, 1),
        "{names:?}"
    );
    let dropped = pipe.events().pop().expect("events");
    assert_eq!((&dropped["event"], &dropped["lines"]), (&"dropped".into(), &82.into()));
}

#[tokio::test(start_paused = true)]
async fn finish_gives_up_on_an_output_that_nobody_reads() {
    let (reporter, pipe) = start(JSON, 20);
    pipe.set(|state| state.blocked = true);
    reporter.report(ready());
    pipe.wait_until(|state| state.waiting);
    let before = tokio::time::Instant::now();
    reporter.finish().await;
    assert_eq!(before.elapsed().as_secs(), FINISH_DEADLINE.as_secs());
    pipe.set(|state| state.blocked = false);
}

#[tokio::test]
async fn a_broken_pipe_ends_the_view_not_the_process() {
    let (reporter, pipe) = start(JSON, 20);
    pipe.set(|state| state.broken = true);
    reporter.report(ready());
    for _ in 0..10 {
        reporter.report(exchange());
    }
    reporter.finish().await;
    assert!(pipe.events().is_empty());
    assert_eq!(reporter.totals().exchanges, 10);
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    struct Tell(mpsc::Sender<()>);
    impl Write for Tell {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (sender, gone) = mpsc::channel();
    let reporter = Reporter::start_with(JSON, Box::new(Tell(sender)), 20).expect("a thread");
    let clone = reporter.clone();
    drop(reporter);
    assert!(gone.try_recv().is_err(), "a clone is left");
    drop(clone);
    gone.recv_timeout(Duration::from_secs(10)).expect("the view was dropped");
}

#[tokio::test]
async fn queries_stay_out_of_the_log_unless_asked_for() {
    for (log_query, target) in [(false, "/a"), (true, "/a?key=secret")] {
        let (reporter, pipe) = start(Options { log_query, ..JSON }, 20);
        reporter.report(ready());
        reporter
            .report(Event::Exchange(ExchangeRecord { target: "/a?key=secret".into(), ..record() }));
        reporter.finish().await;
        assert_eq!(pipe.events()[1]["target"], target);
    }
}

#[tokio::test]
async fn plain_text_has_one_line_per_event_and_no_colours() {
    let (reporter, pipe) = start(Options { style: Style::Plain, ..JSON }, 20);
    reporter.report(ready());
    reporter.report(exchange());
    reporter.finish().await;
    let text = String::from_utf8(pipe.shared.0.lock().bytes.clone()).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], ["", "  https://a.example", "  → http://localhost:3000", ""]);
    assert!(lines[4].contains("GET     /"), "{text}");
    assert_eq!(lines.len(), 5);
    assert!(!text.contains('\x1b'));
}
