//! A case: the bytes of a request and the bytes the origin answers with.

/// Stands for the authority of whoever is asked: the origin's or the session's.
pub(crate) const SELF: &str = "{self}";

/// One request and its answer.
#[derive(Debug)]
pub(crate) struct Case {
    /// Of what kind it is, for messages.
    pub(crate) label: String,
    pub(crate) ask: Ask,
    pub(crate) answer: Answer,
}

/// A request to be written.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) version: &'static str,
    /// All but `Host` and what frames the content.
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where `Host` stands among them.
    host_at: usize,
    content: Upload,
}

#[derive(Clone, Debug)]
enum Upload {
    None,
    Length(Vec<u8>),
    /// Ready chunks and trailers.
    Chunked(Vec<u8>),
}

impl Ask {
    pub(crate) fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            target: target.as_ref().to_vec(),
            version: "HTTP/1.1",
            lines: Vec::new(),
            host_at: 0,
            content: Upload::None,
        }
    }

    pub(crate) fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn line(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.lines.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn lines<'a>(self, lines: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Self {
        lines.into_iter().fold(self, |ask, (name, value)| ask.line(name, value))
    }

    pub(crate) fn host_at(mut self, at: usize) -> Self {
        self.host_at = at;
        self
    }

    /// Content with its length.
    pub(crate) fn content(mut self, content: impl AsRef<[u8]>) -> Self {
        self.content = Upload::Length(content.as_ref().to_vec());
        self
    }

    /// Chunked content, one chunk each; `written` writes the size of a chunk.
    pub(crate) fn chunked(
        mut self,
        chunks: &[&[u8]],
        written: impl Fn(usize) -> String,
        trailers: &str,
    ) -> Self {
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(written(chunk.len()).as_bytes());
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        self.content = Upload::Chunked(out);
        self
    }

    /// The bytes to write, with [`SELF`] in them.
    pub(crate) fn encode(&self, case: usize) -> Vec<u8> {
        let mut out =
            [&self.method, &b" "[..], &self.target, b" ", self.version.as_bytes()].concat();
        let host = (b"Host".to_vec(), SELF.as_bytes().to_vec());
        let number = (super::origin::CASE_FIELD.as_bytes().to_vec(), case.to_string().into_bytes());
        let framing = match &self.content {
            Upload::None => None,
            Upload::Length(content) => {
                Some((b"Content-Length".to_vec(), content.len().to_string().into_bytes()))
            }
            Upload::Chunked(_) => Some((b"Transfer-Encoding".to_vec(), b"chunked".to_vec())),
        };
        let mut lines = self.lines.clone();
        lines.insert(self.host_at.min(lines.len()), host);
        for (name, value) in lines.iter().chain(framing.iter()).chain([&number]) {
            for part in [b"\r\n", &name[..], b": ", value] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n\r\n");
        match &self.content {
            Upload::None => {}
            Upload::Length(content) | Upload::Chunked(content) => out.extend_from_slice(content),
        }
        out
    }
}

/// What the origin writes, piece by piece.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) pieces: Vec<Vec<u8>>,
    /// The connection ends after them.
    pub(crate) close: bool,
}

impl Answer {
    /// Without content: `status` is all that follows `HTTP/1.1 `.
    pub(crate) fn bare(status: &str, lines: &[(&str, &str)]) -> Self {
        Self { pieces: vec![head(status, lines)], close: false }
    }

    pub(crate) fn length(status: &str, lines: &[(&str, &str)], content: &[u8]) -> Self {
        let length = content.len().to_string();
        let lines = [lines, &[("Content-Length", length.as_str())]].concat();
        Self { pieces: vec![head(status, &lines), content.to_vec()], close: false }
    }

    /// Each chunk is one piece; `extension` follows each size.
    pub(crate) fn chunked(
        status: &str,
        lines: &[(&str, &str)],
        chunks: &[&[u8]],
        extension: &str,
        trailers: &str,
    ) -> Self {
        let lines = [lines, &[("Transfer-Encoding", "chunked")]].concat();
        let mut pieces = vec![head(status, &lines)];
        for chunk in chunks {
            let size = format!("{:x}{extension}\r\n", chunk.len());
            pieces.push([size.as_bytes(), chunk, b"\r\n"].concat());
        }
        pieces.push(format!("0\r\n{trailers}\r\n").into_bytes());
        Self { pieces, close: false }
    }

    /// Content that ends with the connection.
    pub(crate) fn until_close(status: &str, lines: &[(&str, &str)], content: &[u8]) -> Self {
        Self { pieces: vec![head(status, lines), content.to_vec()], close: true }
    }

    /// A plain 200.
    pub(crate) fn ok() -> Self {
        Self::length("200 OK", &[("Content-Type", "text/plain")], b"good\n")
    }

    /// What comes before it: interim responses.
    pub(crate) fn after(mut self, interim: &[(&str, &[(&str, &str)])]) -> Self {
        let heads = interim.iter().map(|(status, lines)| head(status, lines));
        self.pieces.splice(0..0, heads);
        self
    }

    /// Closes the connection when it is written, and says so.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

fn head(status: &str, lines: &[(&str, &str)]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in lines {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    out.into_bytes()
}
