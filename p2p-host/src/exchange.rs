//! Exchanges: one request from a visitor and the origin's response to it.
//!
//! Both paths, relay and direct, end in [`Runner`], which turns the frames of a carrier into a request for
//! [`Service`] and its response into frames. For each request the service
//! 1. cleans the head of what belonged to the connection it came by,
//! 2. puts the origin's name where the visitor used the session's,
//! 3. sends it and waits for the response head,
//! 4. does 1 and 2 backwards with the response.
//!
//! Content passes as it comes, in both directions; nothing here holds a piece of it.
//!
//! What is deliberately not here: streams and credit (the carriers').

pub use crate::origin::OriginContent;

mod asked;
mod budget;
mod carry;
mod content;
mod error;
mod forwarding;
mod hop;
mod ours;
mod progress;
mod public_name;
mod recording;
mod replay;
mod resumable;
mod rewrite;
mod runner;
mod service;
mod target;
mod transfer_coding;
mod visitors;

pub use content::{Content, ContentError};
pub use error::{Blame, ExchangeError, InvalidAnswer, InvalidRequest, classify_body_error};
pub use rewrite::{HostHeader, HostHeaderError, Public};
pub use runner::{Runner, Via};
pub use service::{OnInformational, Service};
pub use target::request_target;
