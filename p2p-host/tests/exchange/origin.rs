//! Origins written by hand: each connection runs a script.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use wingman_host::exchange::{ExchangeError, HostHeader, OriginContent, Public, Service};
use wingman_host::origin::{Client, Options, Scheme};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A listening origin.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// Runs `script` for each connection with its number, from 1.
    pub(crate) async fn new<F>(script: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::on("127.0.0.1:0", script).await
    }

    pub(crate) async fn on<F>(
        bind: &str,
        script: impl Fn(TcpStream, usize) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(bind).await.expect("bind");
        let address = listener.local_addr().expect("address");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(script(stream, number));
            }
        });
        Self { address, connections }
    }

    /// Answers every request on a connection with the same bytes, and closes where they end.
    pub(crate) async fn closing(answer: impl Into<Bytes>) -> Self {
        let answer = answer.into();
        Self::new(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                read_head(&mut stream).await;
                stream.write_all(&answer).await.expect("write");
            }
        })
        .await
    }

    /// Answers every request without content with the same bytes and keeps the connection.
    pub(crate) async fn keeping(answer: impl Into<Bytes>) -> Self {
        let answer = answer.into();
        Self::new(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                while !read_head(&mut stream).await.is_empty() {
                    stream.write_all(&answer).await.expect("write");
                }
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn service(&self) -> Service<Content> {
        self.service_with(Options::default())
    }

    pub(crate) fn service_with(&self, options: Options) -> Service<Content> {
        service(&format!("localhost:{}", self.address.port()), options)
    }
}

pub(crate) fn service(target: &str, options: Options) -> Service<Content> {
    let client = Client::new(target.parse().expect("target"), options).expect("client");
    Service::new(client, HostHeader::Origin)
}

/// A request head with its empty line; empty at the connection's end.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A request's content: what a test sends through a channel.
pub(crate) enum Content {
    Empty,
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Result<Frame<Bytes>, BoxError>>),
}

impl Content {
    pub(crate) fn stream() -> (mpsc::Sender<Result<Frame<Bytes>, BoxError>>, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Self::Stream(receiver))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(content) => Poll::Ready(content.take().map(|data| Ok(Frame::data(data)))),
            Self::Stream(receiver) => receiver.poll_recv(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(content) => content.is_none(),
            Self::Stream(_) => false,
        }
    }
}

pub(crate) fn request(method: &str, target: &str, content: Content) -> Request<Content> {
    let mut request = Request::builder().method(method).uri(target).body(content).expect("request");
    let authority = HeaderValue::from_static("abc.wingman.dev");
    request.headers_mut().insert("host", authority.clone());
    request.extensions_mut().insert(Public::new(Scheme::Https, authority));
    request
}

pub(crate) fn get(target: &str) -> Request<Content> {
    request("GET", target, Content::Empty)
}

pub(crate) fn post(content: &'static str) -> Request<Content> {
    request("POST", "/", Content::Whole(Some(Bytes::from_static(content.as_bytes()))))
}

/// The whole content, as text.
pub(crate) async fn text(response: Response<OriginContent>) -> String {
    let content = response.into_body().collect().await.expect("content").to_bytes();
    String::from_utf8_lossy(&content).into_owned()
}

/// The service's error, which must be there.
pub(crate) async fn failure(
    service: &Service<Content>,
    request: Request<Content>,
) -> ExchangeError {
    match soon(service.call(request)).await {
        Ok(response) => panic!("answered {}", response.status()),
        Err(error) => error,
    }
}

/// Fails instead of hanging.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("in time")
}
