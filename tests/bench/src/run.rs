//! One run: rounds over points over peers, then what idling costs.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    child::Child,
    cli::Cli,
    figures::{Figures, Footprint, Round, Thing},
    load, memory, origin,
    peer::{Kind, Peer},
    point::Point,
    proc,
    tool::Tools,
    wrk::Wrk,
};

/// Runs it. Whatever it starts ends with it, also when its future is dropped.
///
/// # Errors
/// A tool that no peer can do without is missing, or the origin does not start. What goes wrong with a
/// single peer is in [`Figures::skipped`] and [`Figures::failures`].
pub async fn run(cli: &Cli) -> Result<Figures> {
    let tools = Tools::find()?;
    proc::has_files(cli.counts().files())?;
    let directory = tempfile::Builder::new().prefix("wingman-bench").tempdir()?;
    let (nginx, address) = origin::start(&tools, directory.path())?;
    let mut figures = Figures {
        points: cli.points(),
        rounds: cli.rounds(),
        seconds: cli.seconds(),
        ..Figures::default()
    };
    let mut peers = start(cli, &tools, &nginx, address, directory.path(), &mut figures).await?;
    figures.peers = peers.iter().map(Peer::kind).collect();
    let wrk = Wrk::new(&tools, directory.path())?;
    for round in 0..cli.rounds() {
        for point in cli.points() {
            // Nobody always comes after the same neighbour's mess.
            let count = peers.len().max(1);
            for turn in 0..count {
                let Some(peer) = peers.get_mut((turn + round as usize) % count) else { continue };
                let done = measure(point, peer, &wrk, cli.seconds()).await;
                note(&mut figures, round, point, peer.kind(), done);
            }
        }
    }
    for peer in &peers {
        match peer.peak() {
            Ok(peak) => figures.footprints.entry(peer.kind()).or_default().peak = peak,
            Err(error) => figures.failures.push(format!("{error:#}")),
        }
    }
    for peer in peers {
        peer.stop().await;
    }
    idle(cli, &tools, address, directory.path(), &mut figures).await;
    nginx.stop().await;
    Ok(figures)
}

async fn start(
    cli: &Cli,
    tools: &Tools,
    nginx: &Child,
    address: std::net::SocketAddr,
    directory: &std::path::Path,
    figures: &mut Figures,
) -> Result<Vec<Peer>> {
    let mut origin = Peer::origin(address, nginx);
    origin.serves_files().await.context("the origin does not work")?;
    let mut peers = vec![];
    for kind in cli.kinds() {
        if kind == Kind::Origin {
            continue;
        }
        let started = async {
            let mut peer = Peer::start(kind, tools, address, directory).await?;
            peer.serves_files().await?;
            Ok::<_, anyhow::Error>(peer)
        };
        match started.await {
            Ok(peer) => peers.push(peer),
            Err(error) => {
                eprintln!("{}: left out: {error:#}", kind.name());
                figures.skipped.push((kind, format!("{error:#}")));
            }
        }
    }
    if cli.kinds().contains(&Kind::Origin) {
        peers.insert(0, origin);
    }
    tokio::time::sleep(SETTLE).await;
    for peer in &peers {
        eprintln!("{}: {:?} at http://{}", peer.kind().name(), peer.processes(), peer.host());
        let footprint = Footprint { idle: peer.resident()?, peak: Vec::new() };
        figures.footprints.insert(peer.kind(), footprint);
    }
    Ok(peers)
}

async fn measure(point: Point, peer: &mut Peer, wrk: &Wrk, seconds: u64) -> Result<Round> {
    peer.check()?;
    let before = peer.cpu()?;
    let sample = load::run(point, peer, wrk, seconds).await?;
    let after = peer.cpu()?;
    let requests = sample.requests.max(1) as f64;
    let cpu = before
        .iter()
        .zip(&after)
        .map(|((role, before), (_, after))| {
            (*role, after.saturating_sub(*before).as_secs_f64() * 1e6 / requests)
        })
        .collect();
    Ok(Round { sample, cpu })
}

fn note(figures: &mut Figures, round: u32, point: Point, kind: Kind, done: Result<Round>) {
    let (name, number) = (kind.name(), round + 1);
    match done {
        Ok(done) => {
            let sample = &done.sample;
            eprintln!(
                "round {number} {:<7} {name:<8} {:>9.1}/s  p50 {:>7} us  p99 {:>8} us  errors {}",
                point.name(),
                sample.rate(),
                sample.p50.as_micros(),
                sample.p99.as_micros(),
                sample.errors,
            );
            figures.add(point, kind, Some(done));
        }
        Err(error) => {
            let failure = format!("round {number}, {}, {name}: {error:#}", point.name());
            eprintln!("{failure}");
            figures.failures.push(failure);
            figures.add(point, kind, None);
        }
    }
}

async fn idle(
    cli: &Cli,
    tools: &Tools,
    files: std::net::SocketAddr,
    directory: &std::path::Path,
    figures: &mut Figures,
) {
    for thing in cli.things() {
        for kind in cli.kinds() {
            let only_ours = thing == Thing::Session && kind != Kind::Wingman;
            let left_out = figures.skipped.iter().any(|(skipped, _)| *skipped == kind);
            if kind == Kind::Origin || only_ours || left_out {
                continue;
            }
            match memory::measure(kind, thing, cli.counts(), tools, files, directory).await {
                Ok(idle) => {
                    eprintln!("idle {}: {} kB each: {:.1?}", thing.name(), kind.name(), idle.each);
                    figures.idle.push(idle);
                }
                Err(error) => {
                    let failure = format!("idle {}, {}: {error:#}", thing.name(), kind.name());
                    eprintln!("{failure}");
                    figures.failures.push(failure);
                }
            }
        }
    }
}

const SETTLE: Duration = Duration::from_secs(1);
