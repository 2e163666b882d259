//! The runtime that a peer's connection runs on: tokio, but for its sockets.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime,
    TokioRuntime,
};

use super::{endpoint::Endpoint, socket::PeerSocket};

/// Gives the connection a share of the port for each socket that it binds.
#[derive(Debug)]
pub(super) struct PeerRuntime {
    endpoint: Arc<Endpoint>,
}

impl PeerRuntime {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint }
    }
}

impl Runtime for PeerRuntime {
    /// The bound socket is closed again: its address only says for which of this machine's addresses the share is.
    fn wrap_udp_socket(&self, bound: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let address = bound.local_addr()?;
        Ok(Arc::new(PeerSocket::new(self.endpoint.clone(), address)?))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn spawn_reactor(
        &self,
        reactors: usize,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn_reactor(reactors, future)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        address: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        TokioRuntime.connect_tcp(address)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        let (timer, endpoint) = (TokioRuntime.sleep(duration), self.endpoint.clone());
        Box::pin(async move {
            tokio::select! {
                () = timer => {}
                () = endpoint.hurried() => {}
            }
        })
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "wingman"
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use webrtc::runtime::Transmit;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// How long the connection's timer of an hour takes.
    async fn timer(runtime: &PeerRuntime) -> Duration {
        let begun = tokio::time::Instant::now();
        runtime.sleep(HOUR).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_expires_early_while_there_may_be_something_to_begin() {
        let runtime = PeerRuntime::new(Endpoint::for_tests());
        assert_eq!(timer(&runtime).await, HOUR);
        runtime.endpoint.on_read();
        assert_eq!(timer(&runtime).await, Duration::ZERO, "a check was answered");
        let (took, ()) = tokio::join!(timer(&runtime), async { runtime.endpoint.hurry() });
        assert_eq!(took, Duration::ZERO, "a candidate came");
        let data = Transmit {
            destination: SocketAddr::from(([192, 0, 2, 1], 9)),
            ecn: None,
            contents: &[22, 254, 253],
            segment_size: None,
            src_ip: None,
        };
        poll_fn(|context| {
            let _ = runtime.endpoint.poll_send(context, &data);
            Poll::Ready(())
        })
        .await;
        runtime.endpoint.on_read();
        assert_eq!(timer(&runtime).await, HOUR, "data flows");
    }
}
