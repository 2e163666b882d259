//! Drives a [`wingman_mux::Mux`] over a WebSocket: the tokio half that edge and host share.
//!
//! - [`Link`]: a handle to a carrier; opens and accepts exchanges, passes control messages.
//! - [`Exchange`]: one stream of it, read and written by `&self` so that both directions can be awaited
//!   at once.
//! - [`drive`]: the one task that owns the socket. When it returns, every exchange has ended with
//!   [`Closed`]; nothing waits for a carrier that is gone.
//!
//! The state sits behind one short lock, as in quinn: users push bytes into the mux and wake the driver,
//! which gathers what all of them pushed into one message.

mod driver;
mod exchange;
mod state;

pub use driver::{drive, websocket_config};
pub use exchange::Exchange;
pub use state::{Closed, Link, LinkOpenError, LinkSendError, Stats};
