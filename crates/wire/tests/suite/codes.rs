//! `codes.json`.

use serde::Deserialize;
use wingman_wire::code::{CloseCode, ResetCode};

use crate::vectors::{kebab, load};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Codes {
    reset: Vec<Reset>,
    unknown_reset: Vec<u16>,
    close: Vec<Close>,
    unknown_close: Vec<u16>,
}

#[derive(Deserialize)]
struct Reset {
    number: u16,
    code: String,
    blame: String,
}

#[derive(Deserialize)]
struct Close {
    number: u16,
    code: String,
}

#[test]
fn reset_codes_are_those_of_the_vectors() {
    let codes: Codes = load("codes.json");
    assert_eq!(codes.reset.len(), ResetCode::ALL.len(), "a code without a vector");
    for entry in codes.reset {
        let code = ResetCode::from_wire(entry.number);
        assert_eq!(kebab(&code), entry.code);
        assert_eq!(code.to_wire(), entry.number);
        assert_eq!(code.blame().as_str(), entry.blame, "{}", entry.code);
    }
    for number in codes.unknown_reset {
        assert_eq!(ResetCode::from_wire(number), ResetCode::Internal, "{number}");
    }
}

#[test]
fn close_codes_are_those_of_the_vectors() {
    let codes: Codes = load("codes.json");
    assert_eq!(codes.close.len(), CloseCode::ALL.len(), "a code without a vector");
    for entry in codes.close {
        let code = CloseCode::from_wire(entry.number).unwrap();
        assert_eq!(kebab(&code), entry.code);
        assert_eq!(code.to_wire(), entry.number);
    }
    for number in codes.unknown_close {
        assert_eq!(CloseCode::from_wire(number), None, "{number}");
    }
}
