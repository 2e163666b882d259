//! Puts the tag into a stream of HTML.
//!
//! It stands before the first element that is neither `html` nor `head` nor a declaration of the
//! encoding (browsers look for that one in the first 1,024 bytes, and our tag must not move it out of
//! sight). Wherever that is, the parser puts a script into the head of the document, or into the body
//! if text came before; and it is before every other script and style. A doctype stays before it. If
//! there are only such elements it stands at the end; if there are none there is no tag.
//!
//! Only what an unfinished tag may be is held back, so pieces go on as they come; after the tag they go
//! on untouched.

use std::{mem, sync::Arc};

use bytes::{Bytes, BytesMut};
use lol_html::{
    DocumentContentHandlers, ElementContentHandlers, HandlerResult, MemorySettings, Selector,
    html_content::{ContentType, DocumentEnd},
    send,
};
use parking_lot::Mutex;

use crate::telemetry::Injected;

/// One document on its way.
#[derive(Debug)]
pub struct Rewriter {
    state: State,
}

#[derive(Debug)]
enum State {
    /// No byte has come yet.
    Fresh(Arc<str>),
    /// The place was not found yet.
    Looking(Box<Parser>),
    /// Bytes pass.
    Done(Injected),
}

impl Rewriter {
    /// Puts `tag`, which is ASCII, into a document.
    pub fn new(tag: &str) -> Self {
        Self { state: State::Fresh(tag.into()) }
    }

    /// How it ended; `None` before that.
    pub fn outcome(&self) -> Option<Injected> {
        match self.state {
            State::Done(outcome) => Some(outcome),
            State::Fresh(_) | State::Looking(_) => None,
        }
    }

    /// Takes the next piece and gives what can go on, which may be nothing.
    pub fn write(&mut self, piece: Bytes) -> Bytes {
        if let (State::Fresh(tag), Some(first)) = (&self.state, piece.first()) {
            // The byte order marks of UTF-16 begin so, and no text in another encoding does.
            self.state = if matches!(first, 0xfe | 0xff) {
                State::Done(Injected::Encoding)
            } else {
                State::Looking(Box::new(Parser::new(tag.clone())))
            };
        }
        let State::Looking(parser) = &mut self.state else { return piece };
        let mut taken = 0;
        for slice in piece.chunks(SLICE) {
            taken += slice.len();
            if let Some(outcome) = parser.write(slice) {
                let rest = piece.slice(taken..);
                let mut out = self.finish(outcome);
                out.extend_from_slice(&rest);
                return out.freeze();
            }
        }
        parser.take().freeze()
    }

    /// Gives what was held back. `whole`: the document has ended, and was not cut.
    pub fn end(&mut self, whole: bool) -> Bytes {
        let State::Looking(parser) = &mut self.state else {
            if let State::Fresh(_) = self.state {
                self.state = State::Done(Injected::NoPlace);
            }
            return Bytes::new();
        };
        let outcome = parser.at_end(whole);
        self.finish(outcome).freeze()
    }

    fn finish(&mut self, outcome: Injected) -> BytesMut {
        match mem::replace(&mut self.state, State::Done(outcome)) {
            State::Looking(parser) => parser.end(),
            State::Fresh(_) | State::Done(_) => BytesMut::new(),
        }
    }
}

/// Looks for the place.
#[derive(Debug)]
struct Parser {
    rewriter: Option<send::HtmlRewriter<'static, Sink>>,
    shared: Arc<Mutex<Shared>>,
    /// Bytes that came.
    taken: usize,
}

/// Between the parser and its handlers, which it owns.
#[derive(Debug, Default)]
struct Shared {
    out: BytesMut,
    /// Bytes that went, before the tag.
    given: usize,
    place: Place,
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// No element.
    #[default]
    Nothing,
    /// The beginning of a document.
    Beginning,
    /// The place: the tag is there, or shall not be.
    Found,
}

#[derive(Debug)]
struct Sink(Arc<Mutex<Shared>>);

impl lol_html::OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        let mut shared = self.0.lock();
        shared.given += chunk.len();
        shared.out.extend_from_slice(chunk);
    }
}

impl Parser {
    fn new(tag: Arc<str>) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (elements, end) = (shared.clone(), shared.clone());
        let at_end = tag.clone();
        let on_element = move |element: &mut send::Element<'_, '_>| -> HandlerResult {
            let place = &mut elements.lock().place;
            if *place == Place::Found {
            } else if is_beginning(element) {
                *place = Place::Beginning;
            } else {
                *place = Place::Found;
                element.before(&tag, ContentType::Html);
            }
            Ok(())
        };
        let on_end = move |document: &mut DocumentEnd<'_>| -> HandlerResult {
            if end.lock().place == Place::Beginning {
                document.append(&at_end, ContentType::Html);
            }
            Ok(())
        };
        let every: Selector = "*".parse().expect("it is a selector");
        let settings = send::Settings::new_send()
            .append_element_content_handler((
                std::borrow::Cow::Owned(every),
                ElementContentHandlers::default().element(on_element),
            ))
            .append_document_content_handler(DocumentContentHandlers::default().end(on_end))
            .with_memory_settings(
                MemorySettings::new()
                    .with_max_allowed_memory_usage(MAX_MEMORY)
                    .with_graceful_bail_out_on_memory_limit_exceeded(true),
            )
            .with_strict(false);
        let rewriter = send::HtmlRewriter::new(settings, Sink(shared.clone()));
        Self { rewriter: Some(rewriter), shared, taken: 0 }
    }

    /// Takes a slice; how it ended, if it has.
    fn write(&mut self, slice: &[u8]) -> Option<Injected> {
        self.taken += slice.len();
        let written = self.rewriter.as_mut()?.write(slice);
        if written.is_err() {
            // It has let go of all it held; it cannot be used again.
            self.rewriter = None;
        }
        match self.shared.lock().place {
            Place::Found => Some(Injected::Injected),
            Place::Nothing | Place::Beginning if written.is_err() => Some(Injected::TooLarge),
            Place::Nothing | Place::Beginning => None,
        }
    }

    /// What the end of the document makes of it.
    fn at_end(&mut self, whole: bool) -> Injected {
        let mut shared = self.shared.lock();
        // What is held back is a tag that never ends: ours would become a part of it.
        if whole && shared.place == Place::Beginning && shared.given == self.taken {
            return Injected::Injected;
        }
        shared.place = Place::Found;
        Injected::NoPlace
    }

    /// What can go on.
    fn take(&mut self) -> BytesMut {
        mem::take(&mut self.shared.lock().out)
    }

    /// All that is left.
    fn end(mut self) -> BytesMut {
        if let Some(rewriter) = self.rewriter.take() {
            // It lets go of what it holds even then, and what is missing is our tag.
            let _ = rewriter.end();
        }
        self.take()
    }
}

/// What the tag comes after.
fn is_beginning(element: &send::Element<'_, '_>) -> bool {
    match element.tag_name().as_str() {
        "html" | "head" => true,
        "meta" => {
            let names_type = |value: String| value.trim().eq_ignore_ascii_case("content-type");
            element.has_attribute("charset")
                || element.get_attribute("http-equiv").is_some_and(names_type)
        }
        _ => false,
    }
}

/// A tag that came in many pieces is parsed again with each: this bounds the work, and the memory.
const MAX_MEMORY: usize = 16 * 1024;
/// What is parsed at once, so that a long piece does not count as held back.
const SLICE: usize = 4 * 1024;

#[cfg(test)]
#[path = "tests/rewriter.rs"]
mod tests;
