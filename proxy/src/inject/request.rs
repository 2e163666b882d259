//! Which responses of a session are documents, and what is asked of the origin for them.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, header};
use wingman_wire::head::Scheme;

use super::validator;
use crate::{session::PageConfig, visitors::is_document};

/// What injection has to do with one exchange.
#[derive(Clone, Debug)]
pub struct Injection {
    pub(super) subject: Subject,
    /// Of the page's URL.
    pub(super) scheme: Scheme,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// The session has no pages, or the edge puts nothing into documents.
    None,
    /// What a script, an image or a program asks for.
    Other {
        /// The visitor holds a document of ours under this URL, and asks whether it is still good. It is
        /// not what a script shall get, however good it is.
        has_document: bool,
    },
    /// What a browser will show.
    Document {
        /// For the script.
        pages: Arc<PageConfig>,
        /// The visitor holds a document of ours under this URL.
        has_document: bool,
    },
}

/// What becomes of a field line of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldEdit {
    /// It goes on.
    Keep,
    /// It does not.
    Drop,
    /// It goes on with this value.
    Replace(Vec<u8>),
}

impl Injection {
    /// For a request of a session; `pages` as its host wished, `None` if nothing is put into documents.
    pub fn of(pages: Option<Arc<PageConfig>>, request: &HeaderMap, scheme: Scheme) -> Self {
        let subject = match pages {
            None => Subject::None,
            Some(pages) => {
                let conditions = request.get_all(header::IF_NONE_MATCH).iter();
                let mut values = conditions.map(http::HeaderValue::as_bytes);
                let has_document = values.any(validator::has_ours);
                // Libraries that ask for HTML without Sec-Fetch-* say who they are by this one.
                if is_document(request) && !request.contains_key(X_REQUESTED_WITH) {
                    Subject::Document { pages, has_document }
                } else {
                    Subject::Other { has_document }
                }
            }
        };
        Self { subject, scheme }
    }

    /// What becomes of a line of the request on its way to the host.
    pub fn request_field(&self, name: &HeaderName, value: &[u8]) -> FieldEdit {
        match &self.subject {
            // Documents are changed as they are; no coding is undone or done here.
            Subject::Document { .. } if name == header::ACCEPT_ENCODING => {
                FieldEdit::Replace(b"identity".to_vec())
            }
            Subject::Document { has_document: true, .. } if name == header::IF_NONE_MATCH => {
                FieldEdit::Replace(validator::restore(value))
            }
            // RFC 9111 §4.1 lets a cache ask with the tag of a response that was for another
            // `Sec-Fetch-Dest`, and Chromium and Firefox do. A 304 would hand the document to a script.
            Subject::Other { has_document: true } if name == header::IF_NONE_MATCH => {
                validator::without_ours(value).map_or(FieldEdit::Drop, FieldEdit::Replace)
            }
            Subject::Other { has_document: true } if name == header::IF_MODIFIED_SINCE => {
                FieldEdit::Drop
            }
            Subject::None | Subject::Other { .. } | Subject::Document { .. } => FieldEdit::Keep,
        }
    }
}

const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

#[cfg(test)]
#[path = "tests/request.rs"]
mod tests;
