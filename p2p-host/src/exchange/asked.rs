//! A request as it came over a carrier, read and cleaned of what is ours.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use wingman_wire::{
    direct::field,
    head::{RequestHead, Scheme},
    id::{RequestId, VisitorId},
};

use super::{
    Public, Via, content, forwarding, progress::Failed, public_name::PublicName, request_target,
};
use crate::cookies::{self, Document};

/// A request; its fields are the visitor's own.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    uri: Uri,
    pub(super) fields: HeaderMap,
    pub(super) facts: Facts,
    /// What the page says of its document; direct only.
    pub(super) document: Option<Document>,
}

/// What the response needs to know of the request.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) via: Via,
    pub(super) visitor: Option<VisitorId>,
    pub(super) id: Option<RequestId>,
    /// The app wants no cookies with it, neither way.
    pub(super) omit: bool,
    /// Whoever gets the response directly takes gzip off.
    pub(super) gzip: bool,
    pub(super) method: Method,
    pub(super) target: Bytes,
    authority: HeaderValue,
    scheme: Scheme,
}

impl Facts {
    #[cfg(test)]
    pub(super) fn for_test(via: Via, visitor: VisitorId, id: RequestId) -> Self {
        Self {
            via,
            visitor: Some(visitor),
            id: Some(id),
            omit: false,
            gzip: true,
            method: Method::GET,
            target: Bytes::from_static(b"/"),
            authority: HeaderValue::from_static("abc.wingman.dev"),
            scheme: Scheme::Https,
        }
    }

    /// As the jar wants it.
    pub(super) fn request(&self) -> cookies::Request<'_> {
        cookies::Request {
            target: &self.target,
            authority: self.authority.as_bytes(),
            tls: self.scheme == Scheme::Https,
        }
    }
}

impl Asked {
    /// Reads a head. Field lines of ours end here; `public` is the name that pages have.
    pub(super) fn read(
        head: RequestHead,
        via: Via,
        public: Option<&PublicName>,
    ) -> Result<Self, Failed> {
        let bad = |error: &dyn std::fmt::Display| Failed::bad(error.to_string());
        let method = Method::from_bytes(&head.method).map_err(|error| bad(&error))?;
        let uri = request_target(head.target.clone()).map_err(|error| bad(&error))?;
        let mut fields =
            content::fields(head.fields).ok_or_else(|| Failed::bad("malformed field"))?;
        let visitor = match via {
            Via::Link => parse(&fields, field::VISITOR),
            Via::Peer { visitor } => Some(visitor),
        };
        let id = parse(&fields, field::REQUEST_ID);
        let (mut omit, mut gzip) = (false, false);
        let mut document = None;
        if let Via::Peer { .. } = via {
            // A page can only ask its own origin, but what comes over a channel can be anything.
            if !public.is_some_and(|public| public.is(head.scheme, &head.authority)) {
                return Err(Failed::bad("not this session's name"));
            }
            forwarding::replace(&mut fields, head.scheme, &head.authority);
            // Only the jar says what the browser would have sent.
            fields.remove(header::COOKIE);
            omit = fields.get(field::CREDENTIALS).is_some_and(|said| said == "omit");
            gzip = fields.get(field::TE).is_some_and(|said| said == field::GZIP);
            document = read_document(&fields);
        }
        drop_ours(&mut fields);
        let authority =
            HeaderValue::from_maybe_shared(head.authority).map_err(|error| bad(&error))?;
        let (target, scheme) = (head.target, head.scheme);
        let facts = Facts {
            via,
            visitor,
            id,
            omit,
            gzip,
            method: method.clone(),
            target,
            authority,
            scheme,
        };
        Ok(Self { method, uri, fields, facts, document })
    }

    /// Whether it is to become another protocol.
    pub(super) fn is_upgrade(&self) -> bool {
        self.fields.contains_key(header::UPGRADE)
    }

    /// The path of its target.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// As the exchange service wants it.
    pub(super) fn into_request<B>(self, content: B) -> Request<B> {
        let mut request = Request::new(content);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.fields;
        let scheme = match self.facts.scheme {
            Scheme::Http => crate::origin::Scheme::Http,
            Scheme::Https => crate::origin::Scheme::Https,
        };
        request.extensions_mut().insert(Public::new(scheme, self.facts.authority));
        request
    }
}

fn read_document(fields: &HeaderMap) -> Option<Document> {
    let value =
        |name| fields.get(name).map(|value: &HeaderValue| Bytes::copy_from_slice(value.as_bytes()));
    Some(Document { cookie: value(field::DOCUMENT_COOKIE)?, path: value(field::DOCUMENT_PATH)? })
}

fn parse<T: std::str::FromStr>(fields: &HeaderMap, name: &str) -> Option<T> {
    fields.get(name)?.to_str().ok()?.parse().ok()
}

/// Fields between edge, page and host go no further.
fn drop_ours(fields: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        fields.keys().filter(|name| name.as_str().starts_with("wingman-")).cloned().collect();
    for name in ours {
        fields.remove(name);
    }
}
