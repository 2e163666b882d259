//! `delay-router`: a network between two TUN devices. The kernels of build machines have no netem.
//!
//! It opens two devices of the given names, which whoever started it then moves into network namespaces. Each line on
//! stdin is a [`Network`] to be from then on; what is on the way is forgotten, and a line on stdout says what became of
//! packets until then. It ends with stdin, and the devices with it.

use std::{
    env,
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use parking_lot::{Condvar, Mutex};
use serde_json::json;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};
use wingman_bench::line::{Counts, Line, Network};

fn main() -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    match run(&names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(names: &[String]) -> Result<()> {
    let [one, other] = names else { bail!("usage: delay-router DEVICE DEVICE") };
    let (one, other) = (open(one)?, open(other)?);
    let ways = [Way::between(&one, &other)?, Way::between(&other, &one)?];
    say(&json!({ "ready": true }))?;
    for line in io::stdin().lock().lines() {
        let network: Network = serde_json::from_str(&line?).context("not a network")?;
        let before: Vec<_> = ways.iter().map(|way| way.become_like(network)).collect();
        let counts = before.iter().map(|counts| {
            json!({ "passed": counts.passed, "dropped": counts.dropped, "lost": counts.lost })
        });
        say(&json!({ "before": counts.collect::<Vec<_>>() }))?;
    }
    Ok(())
}

fn open(name: &str) -> Result<Arc<SyncDevice>> {
    let device = DeviceBuilder::new()
        .name(name)
        .layer(Layer::L3)
        .mtu(MTU)
        // A burst of a sender must reach the line, which is to be the only place where packets are dropped.
        .tx_queue_len(TX_QUEUE)
        .enable(false)
        .build_sync()
        .with_context(|| format!("cannot make the TUN device {name} (this needs root)"))?;
    Ok(Arc::new(device))
}

fn say(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

/// One direction, with the two threads that fill and empty its line. They end with the process.
struct Way {
    line: Mutex<Line>,
    filled: Condvar,
}

impl Way {
    fn between(from: &Arc<SyncDevice>, to: &Arc<SyncDevice>) -> Result<Arc<Self>> {
        let line = Mutex::new(Line::new(Instant::now(), Network::default()));
        let way = Arc::new(Self { line, filled: Condvar::new() });
        let (filler, from) = (way.clone(), from.clone());
        thread::Builder::new().name("fill".to_owned()).spawn(move || filler.fill(&from))?;
        let (emptier, to) = (way.clone(), to.clone());
        thread::Builder::new().name("empty".to_owned()).spawn(move || emptier.empty(&to))?;
        Ok(way)
    }

    fn fill(&self, from: &SyncDevice) {
        let mut packet = [0; 65_536];
        loop {
            // A device that is not up yet has nothing to read, and waits.
            let Ok(length) = from.recv(&mut packet) else { continue };
            if self.line.lock().push(Instant::now(), packet.get(..length).unwrap_or_default()) {
                self.filled.notify_one();
            }
        }
    }

    fn empty(&self, to: &SyncDevice) {
        let mut line = self.line.lock();
        loop {
            if let Some(packet) = line.pop(Instant::now()) {
                drop(line);
                // One that is down loses packets, as networks do.
                let _ = to.send(&packet);
                line = self.line.lock();
                continue;
            }
            match line.poll_timeout() {
                Some(due) => drop(self.filled.wait_until(&mut line, due)),
                None => self.filled.wait(&mut line),
            }
        }
    }

    fn become_like(&self, network: Network) -> Counts {
        let mut line = self.line.lock();
        let before = line.counts();
        *line = Line::new(Instant::now(), network);
        before
    }
}

const MTU: u16 = 1_500;
const TX_QUEUE: u32 = 20_000;
