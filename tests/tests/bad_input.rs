//! What visitors, hosts, origins and operators get wrong, by mistake or on purpose: each is told
//! clearly, and nothing else suffers from it.
//!
//! After every hostile case the same edge serves a good request, and its counters say that nothing is
//! left behind: see [`stage::settled`].

#[path = "bad_input/admission.rs"]
mod admission;
#[path = "bad_input/crowds.rs"]
mod crowds;
#[path = "bad_input/departed.rs"]
mod departed;
#[path = "bad_input/heads.rs"]
mod heads;
#[path = "bad_input/limits.rs"]
mod limits;
#[path = "bad_input/link.rs"]
mod link;
#[path = "bad_input/operator.rs"]
mod operator;
#[path = "bad_input/origins.rs"]
mod origins;
#[path = "bad_input/slow.rs"]
mod slow;
#[path = "bad_input/stage.rs"]
mod stage;
#[path = "bad_input/streams.rs"]
mod streams;
#[path = "bad_input/token_edge.rs"]
mod token_edge;
#[path = "bad_input/unread.rs"]
mod unread;
#[path = "bad_input/visitors.rs"]
mod visitors;

use wingman_tests::fake_host;
