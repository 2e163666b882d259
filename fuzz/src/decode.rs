//! The decoders.

use bytes::{Bytes, BytesMut};
use wingman_wire::{
    control::{self as messages, EdgeToHost, HostToEdge},
    direct::{HostToPage, PageToHost},
    frame::{Frame, HEADER_LEN, MAX_PAYLOAD},
    head::{FieldLines, RequestHead, ResponseHead, put_field},
    signal::Signal,
};

/// A carrier message.
pub fn frames(message: &[u8]) {
    let mut message = Bytes::copy_from_slice(message);
    let mut before = message.len();
    while let Ok(Some(frame)) = Frame::take(&mut message) {
        let used = before - message.len();
        assert!((HEADER_LEN..=HEADER_LEN + MAX_PAYLOAD).contains(&used));
        before = message.len();
        let mut out = BytesMut::new();
        frame.put(&mut out);
        assert!(out.len() <= used, "we write no longer form than we read");
        assert_eq!(Frame::take(&mut out.freeze()), Ok(Some(frame)));
    }
}

/// The first byte says what the others are: a request head, a response head or field lines.
pub fn heads(input: &[u8]) {
    let Some((kind, head)) = input.split_first() else { return };
    let head = Bytes::copy_from_slice(head);
    match kind % 3 {
        0 => {
            let Ok(request) = RequestHead::decode(head) else { return };
            let text = request.method.iter().chain(&request.authority).chain(&request.target);
            assert!(
                text.copied().all(|byte| byte > b' ' && byte != 0x7f),
                "safe in a request line"
            );
            let mut out = BytesMut::new();
            RequestHead::put(
                &mut out,
                &request.method,
                request.scheme,
                &request.authority,
                &request.target,
            );
            let again = RequestHead::decode(out.freeze()).expect("it was decoded once");
            assert_eq!(again.method, request.method);
            assert_eq!(again.scheme, request.scheme);
            assert_eq!(again.authority, request.authority);
            assert_eq!(again.target, request.target);
            field_lines(request.fields);
        }
        1 => {
            let Ok(response) = ResponseHead::decode(head) else { return };
            assert!((100..=599).contains(&response.status));
            field_lines(response.fields);
        }
        _ => field_lines(FieldLines::new(head)),
    }
}

fn field_lines(lines: FieldLines) {
    let mut good = Vec::new();
    let mut ended = false;
    for line in lines {
        assert!(!ended, "nothing follows an error");
        match line {
            Ok(line) => good.push(line),
            Err(_) => ended = true,
        }
    }
    let mut out = BytesMut::new();
    for (name, value) in &good {
        assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_uppercase));
        assert!(!name.iter().any(|byte| *byte <= b' ' || *byte == b':'));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "no splitting");
        put_field(&mut out, name, value);
    }
    let again: Result<Vec<_>, _> = FieldLines::new(out.freeze()).collect();
    assert_eq!(again, Ok(good));
}

/// The JSON of a message of any direction.
pub fn control(json: &[u8]) {
    macro_rules! recode {
        ($($message:ty),*) => {$(
            if let Ok(message) = messages::decode::<$message>(json)
                && let Ok(encoded) = messages::encode(&message)
            {
                assert_eq!(messages::decode::<$message>(&encoded).ok(), Some(message));
            }
        )*};
    }
    recode!(HostToEdge, EdgeToHost, Signal, PageToHost, HostToPage);
}
