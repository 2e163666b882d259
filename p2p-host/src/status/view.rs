//! Where events are shown: a terminal, plain text, or JSON lines.

use std::io::{self, Write};
use std::time::{Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};

use super::event::Event;
use super::json::JsonLines;
use super::lines::Lines;
use super::live::Situation;
use super::queue::Entry;
use super::reporter::{Options, Style};
use super::totals::Totals;

/// Owned by the reporter's thread, the only one that writes to stdout.
pub(super) struct View {
    output: Output,
    options: Options,
    situation: Situation,
}

enum Output {
    Json(JsonLines<Box<dyn Write + Send>>),
    Plain(Box<dyn Write + Send>),
    Live {
        bar: ProgressBar,
        pending: Vec<String>,
    },
    /// The reader of stdout is gone; the session goes on without a view.
    Broken,
}

impl View {
    /// `out` is for the styles without a status line; `bar` is the status line.
    pub(super) fn new(options: Options, out: Box<dyn Write + Send>, bar: &ProgressBar) -> Self {
        let output = match options.style {
            Style::Json => Output::Json(JsonLines::new(out)),
            Style::Plain => Output::Plain(out),
            Style::Live { .. } => {
                // `wide_msg` cuts to the terminal's width, so that the line stays one line.
                let style = ProgressStyle::with_template("{wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                bar.set_style(style);
                Output::Live { bar: bar.clone(), pending: Vec::new() }
            }
        };
        Self { output, options, situation: Situation::new() }
    }

    pub(super) fn show(&mut self, entry: Entry, totals: &Totals) {
        self.situation.follow(&entry.event, Instant::now());
        let lines = self.lines(entry.at);
        let result = match &mut self.output {
            Output::Json(out) => out.write(entry),
            Output::Plain(out) => lines
                .of(entry.at, &entry.event, totals)
                .iter()
                .try_for_each(|line| writeln!(out, "{line}")),
            Output::Live { pending, .. } => {
                pending.extend(lines.of(entry.at, &entry.event, totals));
                Ok(())
            }
            Output::Broken => Ok(()),
        };
        self.check(result);
    }

    pub(super) fn show_dropped(&mut self, lines: u64, totals: &Totals) {
        self.show(Entry { at: SystemTime::now(), event: Event::Dropped { lines } }, totals);
    }

    /// Brings the status line up to date and everything written to the reader.
    pub(super) fn refresh(&mut self, totals: &Totals) {
        let result = match &mut self.output {
            Output::Json(out) => out.flush(),
            Output::Plain(out) => out.flush(),
            Output::Live { bar, pending } => {
                print(bar, pending);
                let colour = self.options.colour();
                bar.set_message(self.situation.line(totals, Instant::now(), colour));
                Ok(())
            }
            Output::Broken => Ok(()),
        };
        self.check(result);
    }

    /// Removes the status line and writes what was held back.
    pub(super) fn end(&mut self) {
        let result = match &mut self.output {
            Output::Json(out) => out.release().and_then(|()| out.flush()),
            Output::Plain(out) => out.flush(),
            Output::Live { bar, pending } => {
                print(bar, pending);
                bar.finish_and_clear();
                Ok(())
            }
            Output::Broken => Ok(()),
        };
        self.check(result);
    }

    fn lines(&self, at: SystemTime) -> Lines {
        let terminal = &self.options.terminal;
        Lines {
            colour: self.options.colour(),
            width: matches!(self.options.style, Style::Live { .. })
                .then(|| (terminal.width)().map_or(DEFAULT_WIDTH, usize::from)),
            qr: self.options.qr,
            utc_offset: (terminal.utc_offset)(at),
        }
    }

    fn check(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::debug!(%error, "stdout is gone; nothing more is shown");
            self.output = Output::Broken;
        }
    }
}

/// Prints lines above the status line, all at once: each print redraws it.
fn print(bar: &ProgressBar, pending: &mut Vec<String>) {
    if !pending.is_empty() {
        bar.println(pending.join("\n"));
        pending.clear();
    }
}

/// For terminals that do not tell.
const DEFAULT_WIDTH: usize = 80;
