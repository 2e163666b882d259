//! Puts the page script into documents: HTML that a browser shows, not what scripts fetch.
//!
//! The contract, for each exchange:
//!
//! 1. [`Injection::of`] a session's pages and the request's fields; [`Injection::request_field`] for
//!    each line that goes to the host, so that documents come in no coding and conditions are about
//!    what the origin has.
//! 2. [`Injection::response`] once for the final head: [`Verdict`]. Whatever cannot be changed safely
//!    is left as it is, for the relay needs no script.
//! 3. If there is a [`Rewriter`], every piece of content passes through it.
//!
//! The tag is the first script of the document, and stands before anything that could refuse it. Taking
//! it out again gives the origin's bytes.
//!
//! What is not here: changes of a `Content-Security-Policy` that forbids the script (its place is
//! `policy`, which only judges), and service workers.

mod policy;
mod request;
mod response;
mod rewriter;
mod tag;
mod validator;

pub use request::{FieldEdit, Injection};
pub use response::{HeadEdits, Verdict};
pub use rewriter::Rewriter;
