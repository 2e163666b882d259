//! `plain-pingora LISTEN ORIGIN`: the least a Pingora reverse proxy does, for comparison.

use std::{env, net::SocketAddr};

use anyhow::Context;
use async_trait::async_trait;
use pingora::{
    Result,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{RunArgs, Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};

/// As many as the edge has on the machine the targets were set on.
const THREADS: usize = 2;

/// For each thread; above the most connections of any load, so that none costs a connect upstream.
const UPSTREAM_POOL: usize = 512;

struct Plain {
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Plain {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut address = |what: &str| -> anyhow::Result<String> {
        let text = arguments
            .next()
            .with_context(|| format!("usage: plain-pingora LISTEN ORIGIN; {what} is missing"))?;
        text.parse::<SocketAddr>().with_context(|| format!("{what} is not an address: {text}"))?;
        Ok(text)
    };
    let listen = address("LISTEN")?;
    let origin = address("ORIGIN")?.parse()?;
    let configuration = ServerConf {
        threads: THREADS,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Plain { origin });
    service.add_tcp(&listen);
    server.add_service(service);
    server.run(RunArgs::default());
    Ok(())
}
