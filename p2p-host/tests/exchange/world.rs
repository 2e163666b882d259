//! A host with both its paths, an origin that tells what it saw, and a browser that uses them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role as WebSocketRole};
use wingman_host::exchange::{HostHeader, Runner, Service, Via};
use wingman_host::origin::{Client, Options};
use wingman_host::status::{self, Reporter, Style, Terminal};
use wingman_link::{Exchange, Link, drive, websocket_config};
use wingman_mux::{Config, Incoming, Role};
use wingman_wire::code::ResetCode;
use wingman_wire::head::{RequestHead, ResponseHead, Scheme, put_field};
use wingman_wire::id::{RequestId, VisitorId};

use crate::browser::Browser;
use crate::origin::{Origin, read_head, soon};

pub(crate) const SESSION: &str = "abc.wingman.dev";

/// What the origin got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    #[expect(dead_code, reason = "for the messages of failed tests")]
    pub(crate) method: String,
    #[expect(dead_code, reason = "for the messages of failed tests")]
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An origin that does what the request says: `x-set` are cookies, `x-clear` is `Clear-Site-Data`, `x-size` is how much
/// content and `x-type` of what type, `x-gate` waits before the head and `x-late-gate` amid the content, `x-die` closes the connection.
pub(crate) struct Recorder {
    pub(crate) origin: Origin,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    /// One permit for each that waits.
    pub(crate) gate: Arc<Semaphore>,
    /// Requests that were cut before they had their answer.
    pub(crate) cut: Arc<Mutex<usize>>,
}

impl Recorder {
    async fn new() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let cut = Arc::new(Mutex::new(0));
        let (to, opens, cuts) = (seen.clone(), gate.clone(), cut.clone());
        let origin = Origin::new(move |mut stream, _| {
            let (seen, gate, cut) = (to.clone(), opens.clone(), cuts.clone());
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    seen.lock().push(request.clone());
                    if !answer(&mut stream, &request, &gate).await {
                        *cut.lock() += 1;
                        return;
                    }
                }
            }
        })
        .await;
        Self { origin, seen, gate, cut }
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().last().expect("a request").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().len()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let head = read_head(stream).await;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = fields.iter().find(|(name, _)| name == "content-length");
    let mut content = vec![0; length.map_or(0, |(_, length)| length.parse().expect("a number"))];
    stream.read_exact(&mut content).await.ok()?;
    Some(Seen { method, target, fields, content })
}

/// Whether the connection goes on.
async fn answer(stream: &mut TcpStream, request: &Seen, gate: &Semaphore) -> bool {
    if request.field("x-die").is_some() {
        return false;
    }
    if request.field("x-gate").is_some() && !wait(stream, gate).await {
        return false;
    }
    let size: usize = request.field("x-size").map_or(2, |size| size.parse().expect("a number"));
    let mut head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n");
    for (_, line) in request.fields.iter().filter(|(name, _)| name == "x-set") {
        head.push_str(&format!("set-cookie: {line}\r\n"));
    }
    if let Some(media) = request.field("x-type") {
        head.push_str(&format!("content-type: {media}\r\nwingman-transfer-coding: gzip\r\n"));
    }
    if let Some(kinds) = request.field("x-clear") {
        head.push_str(&format!("clear-site-data: {kinds}\r\n"));
    }
    head.push_str("\r\n");
    let content = vec![b'x'; size];
    let (start, rest) = content.split_at(size / 2);
    let start = [head.as_bytes(), start].concat();
    if stream.write_all(&start).await.is_err() {
        return false;
    }
    if request.field("x-late-gate").is_some() && !wait(stream, gate).await {
        return false;
    }
    stream.write_all(rest).await.is_ok()
}

async fn wait(stream: &mut TcpStream, gate: &Semaphore) -> bool {
    let mut buffer = [0; 1];
    tokio::select! {
        permit = gate.acquire() => {
            permit.expect("open").forget();
            true
        }
        _ = stream.read(&mut buffer) => false,
    }
}

/// One carrier to the host.
pub(crate) struct Carrier {
    pub(crate) link: Link,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Carrier {
    async fn new(runner: &Arc<Runner>, via: Via) -> Self {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let near =
            WebSocketStream::from_raw_socket(near, WebSocketRole::Client, Some(websocket_config()));
        let far =
            WebSocketStream::from_raw_socket(far, WebSocketRole::Server, Some(websocket_config()));
        let (near, far) = (near.await, far.await);
        let link = Link::new(Config::new(Role::Opener));
        let host = Link::new(Config::new(Role::Acceptor));
        let mut tasks = Vec::new();
        let driven = link.clone();
        tasks.push(tokio::spawn(async move { drop(drive(near, driven).await) }));
        let driven = host.clone();
        tasks.push(tokio::spawn(async move { drop(drive(far, driven).await) }));
        let runner = runner.clone();
        tasks.push(tokio::spawn(async move {
            let mut exchanges = tokio::task::JoinSet::new();
            while let Some(exchange) = host.accept().await {
                let runner = runner.clone();
                exchanges.spawn(async move { runner.run(exchange, via).await });
            }
        }));
        Self { link, tasks }
    }

    /// As when a data channel dies: without a word, and its exchanges are dropped.
    pub(crate) fn cut(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    pub(crate) fn open(&self, request: &Request) -> Exchange {
        let mut head = BytesMut::new();
        let target = request.target.as_bytes();
        let scheme = if request.tls { Scheme::Https } else { Scheme::Http };
        RequestHead::put(
            &mut head,
            request.method.as_bytes(),
            scheme,
            request.authority.as_bytes(),
            target,
        );
        for (name, value) in &request.fields {
            put_field(&mut head, name.as_bytes(), value.as_bytes());
        }
        self.link.open(head.freeze(), request.content.is_empty()).expect("open")
    }

    /// Opens it, sends its content and waits for the answer.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Response, ResetCode> {
        let exchange = self.open(request);
        send_content(&exchange, request).await;
        soon(receive(&exchange)).await
    }
}

pub(crate) async fn send_content(exchange: &Exchange, request: &Request) {
    if request.content.is_empty() {
        return;
    }
    // An early end of the exchange is seen by the reader.
    let mut content = Bytes::from(request.content.clone());
    if exchange.send_data(&mut content).await.is_ok() {
        let _ = exchange.finish(Bytes::new());
    }
}

/// A response, and what is left of it when the path dies.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Vec<u8>,
}

impl Response {
    pub(crate) fn cookies(&self) -> Vec<String> {
        let lines = self.fields.get_all("set-cookie").iter();
        lines.map(|line| line.to_str().expect("text").to_owned()).collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("text"))
    }
}

pub(crate) async fn receive_head(exchange: &Exchange) -> Result<Response, ResetCode> {
    match exchange.read().await {
        Some(Incoming::Head { head, interim: false }) => {
            let head = ResponseHead::decode(head).expect("a head");
            let mut fields = HeaderMap::new();
            for line in head.fields {
                let (name, value) = line.expect("a field line");
                fields.append(
                    HeaderName::from_bytes(&name).expect("a name"),
                    HeaderValue::from_bytes(&value).expect("a value"),
                );
            }
            Ok(Response { status: head.status, fields, content: Vec::new() })
        }
        Some(Incoming::Reset(code)) => Err(code),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn receive(exchange: &Exchange) -> Result<Response, ResetCode> {
    let mut response = receive_head(exchange).await?;
    loop {
        match exchange.read().await {
            Some(Incoming::Data(data)) => response.content.extend_from_slice(&data),
            Some(Incoming::Finish { .. }) => return Ok(response),
            Some(Incoming::Reset(code)) => return Err(code),
            other => panic!("{other:?}"),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) tls: bool,
    pub(crate) authority: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            tls: true,
            authority: SESSION.to_owned(),
            fields: Vec::new(),
            content: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.content = content.to_vec();
        self.with("content-length", content.len())
    }
}

/// Which way a request went in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Went {
    Direct,
    Relay,
}

/// All of it.
pub(crate) struct World {
    pub(crate) recorder: Recorder,
    pub(crate) runner: Arc<Runner>,
    pub(crate) visitor: VisitorId,
    pub(crate) relay: Carrier,
    pub(crate) direct: Carrier,
    pub(crate) browser: Browser,
    /// The same browser without Wingman.
    pub(crate) native: Browser,
    pub(crate) document: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|runner| runner).await
    }

    /// With a runner that differs.
    pub(crate) async fn with(change: impl FnOnce(Runner) -> Runner) -> Self {
        let recorder = Recorder::new().await;
        let target = format!("localhost:{}", recorder.origin.address.port());
        let client =
            Client::new(target.parse().expect("target"), Options::default()).expect("client");
        let terminal = Terminal::default();
        let options = status::Options { style: Style::Json, qr: false, log_query: false, terminal };
        let reporter = Reporter::start(options).expect("a reporter");
        let service = Service::new(client, HostHeader::Origin);
        let runner = Arc::new(change(Runner::new(service, target, reporter)));
        runner.set_public_url(&format!("https://{SESSION}"));
        let visitor = VisitorId::from_bits(rand::random());
        let relay = Carrier::new(&runner, Via::Link).await;
        let direct = Carrier::new(&runner, Via::Peer { visitor }).await;
        Self {
            recorder,
            runner,
            visitor,
            relay,
            direct,
            browser: Browser::default(),
            native: Browser::default(),
            document: "/".to_owned(),
        }
    }

    /// Another page of the same browser.
    pub(crate) async fn another_direct(&self) -> Carrier {
        self.direct_of(self.visitor).await
    }

    /// A page of another visitor.
    pub(crate) async fn direct_of(&self, visitor: VisitorId) -> Carrier {
        Carrier::new(&self.runner, Via::Peer { visitor }).await
    }

    /// What the worker adds before it asks directly.
    pub(crate) fn directly(&mut self, request: Request, id: RequestId) -> Request {
        let shown = self.browser.document(&self.document, 0);
        request
            .with("wingman-request-id", id)
            .with("wingman-document-cookie", shown)
            .with("wingman-document-path", &self.document)
    }

    /// What browser and edge add before it goes by relay.
    pub(crate) fn by_relay(&mut self, request: Request, id: Option<RequestId>) -> Request {
        let path = request.target.split('?').next().expect("a path").to_owned();
        let cookie = self.browser.cookie(&path, 0);
        let mut request =
            request.with("wingman-visitor", self.visitor).with("sec-fetch-site", "same-origin");
        if let Some(id) = id {
            request = request.with("wingman-request-id", id);
        }
        if cookie.is_empty() { request } else { request.with("cookie", cookie) }
    }

    /// As worker and browser do it: directly, and where that does not go, by relay; cookies are fetched.
    pub(crate) async fn fetch(&mut self, request: Request) -> (Response, Went) {
        let id = new_id();
        let path = request.target.split('?').next().expect("a path").to_owned();
        let expected = self.browser.cookie(&path, 0);
        let asked = self.directly(request.clone(), id);
        let (response, went) = match self.direct.ask(&asked).await {
            Ok(response) => (response, Went::Direct),
            Err(ResetCode::RelayOnly) => {
                (self.relayed(request.clone(), Some(id)).await, Went::Relay)
            }
            Err(code) => panic!("{path}: {code:?}"),
        };
        assert_eq!(
            self.recorder.last().field("cookie").unwrap_or_default(),
            expected,
            "{path} {went:?}"
        );
        if went == Went::Direct {
            self.set_natively(&request, &path);
            assert_eq!(response.cookies(), [""; 0], "browsers would drop them");
            if let Some(ticket) = response.field("wingman-ticket") {
                let fetched = Request::new("GET", &format!("/_wingman/cookies/{ticket}"));
                let fetched = self.relayed(fetched, None).await;
                assert_eq!(fetched.status, 204);
                assert_eq!(fetched.field("cache-control"), Some("no-store"));
            }
        }
        (response, went)
    }

    /// What the origin sets, a browser without Wingman has as well.
    fn set_natively(&mut self, request: &Request, path: &str) {
        for (_, line) in request.fields.iter().filter(|(name, _)| name == "x-set") {
            self.native.set(line, path, 0);
        }
    }

    /// By relay; the browser takes the cookies.
    pub(crate) async fn relayed(&mut self, request: Request, id: Option<RequestId>) -> Response {
        let path = request.target.split('?').next().expect("a path").to_owned();
        self.set_natively(&request, &path);
        let asked = self.by_relay(request, id);
        let response = self.relay.ask(&asked).await.expect("a response");
        for line in response.cookies() {
            self.browser.set(&line, &path, 0);
        }
        response
    }

    /// Opens a document.
    pub(crate) async fn navigate(&mut self, path: &str) {
        self.document = path.to_owned();
        self.relayed(Request::new("GET", path).with("sec-fetch-dest", "document"), None).await;
    }
}

/// A new request id.
pub(crate) fn new_id() -> RequestId {
    RequestId::from_bits(rand::random())
}
