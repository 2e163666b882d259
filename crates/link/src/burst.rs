//! Reading bulk in large pieces, without a large buffer for each idle connection.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Bytes of one read while a lot arrives.
const BURST: usize = 128 * 1024;

/// A connection whose reader has a small buffer. As long as reads fill that buffer more is waiting, so the
/// next one takes a lot at once; the memory for it is let go when less comes.
///
/// Without it bulk costs a system call for each small buffer, and the sender, whose kernel sees room for as
/// little at a time, one for each of these.
#[derive(Debug)]
pub struct Burst<S> {
    inner: S,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Reads go to the reader's own buffer.
    Calm,
    /// Reads go here first.
    Bulk(BytesMut),
}

impl<S> Burst<S> {
    /// Around a connection from which nothing else reads.
    pub fn new(inner: S) -> Self {
        Self { inner, state: State::Calm }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Burst<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, state } = self.get_mut();
        let wanted = out.remaining();
        match state {
            State::Calm => {
                ready!(Pin::new(inner).poll_read(context, out))?;
                if out.remaining() == 0 && wanted > 0 {
                    *state = State::Bulk(BytesMut::new());
                }
            }
            State::Bulk(held) => {
                if held.is_empty() {
                    held.reserve(BURST);
                    // It keeps no state between polls.
                    ready!(pin!(inner.read_buf(held)).poll(context))?;
                }
                let length = wanted.min(held.len());
                out.put_slice(&held[..length]);
                held.advance(length);
                if length < wanted {
                    *state = State::Calm;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Burst<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Each read gives what there is room for, of the front piece.
    struct Script {
        pieces: VecDeque<usize>,
        /// Room offered by each read.
        rooms: Vec<usize>,
        next: u8,
    }

    impl AsyncRead for Script {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.rooms.push(out.remaining());
            let Some(piece) = self.pieces.front_mut() else { return Poll::Pending };
            let length = out.remaining().min(*piece);
            *piece -= length;
            if *piece == 0 {
                self.pieces.pop_front();
            }
            for _ in 0..length {
                out.put_slice(&[self.next]);
                self.next = self.next.wrapping_add(1);
            }
            Poll::Ready(Ok(()))
        }
    }

    /// Reads with a small buffer until nothing is there, and checks that every byte comes once, in order.
    fn read(burst: &mut Burst<Script>, room: usize) -> usize {
        let mut total = 0;
        let mut expected = 0_u8;
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut buffer = vec![0; room];
            let mut out = ReadBuf::new(&mut buffer);
            match Pin::new(&mut *burst).poll_read(&mut context, &mut out) {
                Poll::Pending => return total,
                Poll::Ready(result) => result.expect("no error"),
            }
            if out.filled().is_empty() {
                return total;
            }
            for byte in out.filled() {
                assert_eq!(*byte, expected, "after {total}");
                expected = expected.wrapping_add(1);
            }
            total += out.filled().len();
        }
    }

    fn burst(pieces: &[usize]) -> Burst<Script> {
        let pieces = pieces.iter().copied().collect();
        Burst::new(Script { pieces, rooms: Vec::new(), next: 0 })
    }

    #[test]
    fn small_pieces_need_no_memory_of_its_own() {
        let mut burst = burst(&[10, 99, 1]);
        assert_eq!(read(&mut burst, 100), 110);
        assert_eq!(burst.inner.rooms, [100; 4]);
    }

    #[test]
    fn bulk_is_read_in_few_large_pieces_and_all_of_it_arrives() {
        let mut burst = burst(&[1_000_000]);
        assert_eq!(read(&mut burst, 1000), 1_000_000);
        let large = burst.inner.rooms.iter().filter(|room| **room >= BURST).count();
        assert!(large >= 7, "{large}");
        assert!(burst.inner.rooms.len() < 30, "{:?}", burst.inner.rooms);
    }

    #[test]
    fn memory_is_let_go_when_less_comes() {
        let mut burst = burst(&[1000, 20_050]);
        assert_eq!(read(&mut burst, 1000), 21_050);
        assert!(matches!(burst.state, State::Calm));
    }

    #[test]
    fn the_end_is_passed_on_in_either_state() {
        for before in [1000, 900] {
            let mut burst = burst(&[before, 0]);
            assert_eq!(read(&mut burst, 1000), before);
            assert!(matches!(burst.state, State::Calm));
        }
    }
}
