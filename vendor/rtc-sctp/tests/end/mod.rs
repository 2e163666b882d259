//! One end of an association in virtual time.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use rtc_sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, ServerConfig, StreamEvent, TransportConfig,
};
use shared::TransportProtocol;

pub const MESSAGE: usize = 64 * 1024;

pub struct End {
    pub endpoint: Endpoint,
    pub peer: SocketAddr,
    pub association: Option<(AssociationHandle, Association)>,
    pub connected: bool,
    pub received: usize,
    pub released: usize,
}

impl End {
    pub fn new(name: &str, server: bool) -> Self {
        let server = server.then(|| Arc::new(ServerConfig::new(TransportConfig::default())));
        let address: SocketAddr = name.parse().unwrap();
        let config = Arc::new(EndpointConfig::default());
        Self {
            endpoint: Endpoint::new(address, TransportProtocol::UDP, config, server),
            peer: "192.0.2.9:9".parse().unwrap(),
            association: None,
            connected: false,
            received: 0,
            released: 0,
        }
    }

    pub fn connect(&mut self, now: Instant) {
        let config = ClientConfig::new(TransportConfig::default());
        self.association = Some(self.endpoint.connect(now, config, self.peer).unwrap());
    }

    pub fn handle(&mut self, now: Instant, datagram: Bytes) {
        match self.endpoint.handle(now, self.peer, None, datagram) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.association = Some((handle, association));
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                self.association.as_mut().unwrap().1.handle_event(event);
            }
            _ => {}
        }
        self.poll();
    }

    pub fn poll(&mut self) {
        let Some((_, association)) = &mut self.association else { return };
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::Stream(StreamEvent::Readable { id }) => {
                    let mut stream = association.stream(id).unwrap();
                    while let Some(chunks) = stream.read().unwrap() {
                        self.received += chunks.to_payload(MESSAGE).unwrap().len();
                    }
                }
                Event::Stream(StreamEvent::BufferedAmountReleased { n_bytes, .. }) => {
                    self.released += n_bytes;
                }
                _ => {}
            }
        }
    }

    pub fn transmit(&mut self, now: Instant) -> Vec<Bytes> {
        let mut sent = Vec::new();
        let Some((_, association)) = &mut self.association else { return sent };
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(datagrams) = transmit.message {
                sent.extend(datagrams);
            }
        }
        sent
    }
}
