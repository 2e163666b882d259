//! Pictures, drawn on request: `/images/<1-6>.png` and `/images/<1-6>.svg`.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};

use crate::reply::{self, Reply};

/// Answers a request for the picture `name`, `None` if there is no such picture.
pub(crate) fn picture(name: &str, fields: &HeaderMap) -> Option<Reply> {
    let (number, kind) = name.split_once('.')?;
    let number: u8 = number.parse().ok().filter(|number| (1..=COUNT).contains(number))?;
    let (media_type, draw): (_, fn(u8) -> Vec<u8>) = match kind {
        "png" => ("image/png", png),
        "svg" => ("image/svg+xml", svg),
        _ => return None,
    };
    let etag = HeaderValue::from_str(&format!("\"{kind}-{number}-v1\"")).ok()?;
    let reply = if fields.get(IF_NONE_MATCH) == Some(&etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::whole(StatusCode::OK, media_type, draw(number))
    };
    let reply = reply::with(reply, ETAG, etag);
    Some(reply::with(reply, CACHE_CONTROL, HeaderValue::from_static("max-age=60")))
}

/// Rings and bars in a hue of the picture's own.
fn svg(number: u8) -> Vec<u8> {
    let hue = u32::from(number) * 55;
    let rings: String = (1..=u32::from(number) + 2)
        .map(|ring| {
            let (radius, light) = (ring * 13, 35 + ring * 5);
            format!(
                r#"<circle cx="120" cy="80" r="{radius}" fill="none" stroke="hsl({hue},70%,{light}%)" stroke-width="6"/>"#
            )
        })
        .collect();
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="240" height="160" viewBox="0 0 240 160"><rect width="240" height="160" fill="hsl({hue},45%,14%)"/>{rings}</svg>"#
    )
    .into_bytes()
}

/// A plasma of [`WIDTH`] × [`HEIGHT`] pixels, RGB, with stored (not compressed) image data.
fn png(number: u8) -> Vec<u8> {
    let phase = f32::from(number);
    let mut rows = Vec::with_capacity(HEIGHT as usize * (1 + 3 * WIDTH as usize));
    for y in 0..HEIGHT {
        rows.push(0); // filter: none
        for x in 0..WIDTH {
            let (x, y) = (x as f32 / 24.0, y as f32 / 18.0);
            let wave = (x + phase).sin() + (y * phase / 2.0).cos() + (x + y + phase).sin();
            for shift in [0.0, 2.1, 4.2] {
                // `as` saturates, and the value lies in 8..=248 anyway.
                rows.push((128.0 + 120.0 * (wave + phase + shift).sin()) as u8);
            }
        }
    }

    let mut header = Vec::with_capacity(13);
    header.extend_from_slice(&WIDTH.to_be_bytes());
    header.extend_from_slice(&HEIGHT.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]); // 8 bits, RGB, the only methods there are
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    push_chunk(&mut file, *b"IHDR", &header);
    push_chunk(&mut file, *b"IDAT", &zlib_stored(&rows));
    push_chunk(&mut file, *b"IEND", &[]);
    file
}

fn push_chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    // A chunk of ours is far below 4 GiB.
    file.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let checked = file.len();
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    let sum = crc32(&file[checked..]);
    file.extend_from_slice(&sum.to_be_bytes());
}

/// Wraps `data` as zlib (RFC 1950) of stored blocks (RFC 1951 §3.2.4).
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        let len = block.len() as u16;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (mut low, mut high) = (1_u32, 0_u32);
    for &byte in data {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    out.extend_from_slice(&(high << 16 | low).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 }
        })
    })
}

/// How many pictures there are of each kind.
const COUNT: u8 = 6;
const WIDTH: u32 = 160;
const HEIGHT: u32 = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let wrapped = zlib_stored(b"Wikipedia");
        assert_eq!(wrapped[wrapped.len() - 4..], 0x11e6_0398_u32.to_be_bytes());
    }

    #[test]
    fn only_the_pictures_that_exist() {
        let none = HeaderMap::new();
        for name in ["1.png", "6.svg"] {
            assert!(picture(name, &none).is_some(), "{name}");
        }
        for name in ["0.png", "7.png", "1.gif", "1", "../1.png", ""] {
            assert!(picture(name, &none).is_none(), "{name}");
        }
    }

    #[test]
    fn a_known_picture_is_not_sent_again() {
        let mut fields = HeaderMap::new();
        fields.insert(IF_NONE_MATCH, HeaderValue::from_static("\"png-2-v1\""));
        let status = |name| picture(name, &fields).map(|reply| reply.status());
        assert_eq!(status("2.png"), Some(StatusCode::NOT_MODIFIED));
        assert_eq!(status("3.png"), Some(StatusCode::OK));
    }
}
