//! Drives a [`wingman_mux::Mux`] over a carrier: the half with wakers that edge and host share.
//!
//! - [`Link`]: a handle to a carrier; opens and accepts exchanges, passes control messages.
//! - [`Exchange`]: one stream of it, read and written by `&self` so that both directions can be awaited
//!   at once.
//! - [`Driver`]: what moves a carrier's messages drives the link with it. When it ends, every exchange has
//!   ended with [`Closed`]; nothing waits for a carrier that is gone.
//! - [`Burst`]: what the WebSocket reads from, so that bulk takes few system calls.
//! - [`drive`]: the driver's owner over a WebSocket. The host's peers have another, over data channels.
//!
//! The state sits behind one short lock, as in quinn: users push bytes into the mux and wake the driver,
//! which gathers what all of them pushed into one message.

mod burst;
mod driver;
mod exchange;
mod state;
mod websocket;

pub use burst::Burst;
pub use driver::{Driver, Transmit};
pub use exchange::Exchange;
pub use state::{Closed, ControlLimit, Link, LinkOpenError, LinkSendError, Stats};
pub use websocket::{drive, websocket_config};
