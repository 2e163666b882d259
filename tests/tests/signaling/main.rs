//! Signaling at the edge, with a host and pages that say what the test tells them: what is passed on, who is
//! let in, what is bounded, and what else is at `/_wingman/`.

mod hostile;
mod limits;
mod page;
mod passing;
mod refused;
mod scripts;
mod visitors;
