//! `control.json` and `signals.json`: messages in JSON.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use wingman_wire::{
    control::{self, ControlError, EdgeToHost, HostToEdge, Open},
    direct::{HostToPage, PageToHost},
    frame::MAX_PAYLOAD,
    signal::{MAX_SIGNAL, Signal},
};

use crate::vectors::load;

#[derive(Deserialize)]
struct Messages {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    HostToEdge,
    EdgeToHost,
    Signal,
    PageToHost,
    HostToPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Valid {
    name: String,
    direction: Direction,
    json: String,
    value: Value,
    #[serde(default)]
    decode_only: bool,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    direction: Direction,
    json: String,
    error: String,
}

/// Decodes and encodes again.
fn recode(direction: Direction, json: &[u8]) -> Result<Vec<u8>, ControlError> {
    fn recode<T: DeserializeOwned + Serialize>(json: &[u8]) -> Result<Vec<u8>, ControlError> {
        control::encode(&control::decode::<T>(json)?)
    }
    match direction {
        Direction::HostToEdge => recode::<HostToEdge>(json),
        Direction::EdgeToHost => recode::<EdgeToHost>(json),
        Direction::Signal => recode::<Signal>(json),
        Direction::PageToHost => recode::<PageToHost>(json),
        Direction::HostToPage => recode::<HostToPage>(json),
    }
}

#[test]
fn control_messages_are_those_of_the_vectors() {
    check(load("control.json"));
}

#[test]
fn signals_and_hellos_are_those_of_the_vectors() {
    check(load("signals.json"));
}

fn check(messages: Messages) {
    for entry in messages.valid {
        let encoded = recode(entry.direction, entry.json.as_bytes()).expect(&entry.name);
        let value: Value = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(value, entry.value, "{}", entry.name);
        assert_eq!(encoded == entry.json.as_bytes(), !entry.decode_only, "{}", entry.name);
        assert!(encoded.len() <= MAX_SIGNAL, "{}", entry.name);
        let again = recode(entry.direction, &encoded).unwrap();
        assert_eq!(again, encoded, "{}: stable", entry.name);
        for cut in 0..entry.json.trim_end().len() {
            let cut = &entry.json.as_bytes()[..cut];
            assert!(recode(entry.direction, cut).is_err(), "{} cut to {cut:?}", entry.name);
        }
    }
    for entry in messages.invalid {
        assert_eq!(entry.error, "json", "{}", entry.name);
        let error = recode(entry.direction, entry.json.as_bytes()).expect_err(&entry.name);
        assert!(matches!(error, ControlError::Json(_)), "{}: {error:?}", entry.name);
    }
}

#[test]
fn what_only_a_strict_parser_refuses() {
    // JSON.parse of a browser takes both; nobody sends them, so they are not in the vectors.
    let nested = format!(r#"{{"type":"end","x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for json in [
        nested.as_str(),
        r#"{"type":"open","resumeKey":"a","resumeKey":"b","maxExchanges":1,"agent":"w"}"#,
    ] {
        assert!(control::decode::<HostToEdge>(json.as_bytes()).is_err());
    }
    assert!(control::decode::<HostToEdge>(b"{\"type\":\"end\xff\"}").is_err(), "not UTF-8");
}

#[test]
fn a_message_fits_one_frame_or_is_refused() {
    let open = |length: usize| {
        HostToEdge::Open(Open {
            name: None,
            resume_key: String::new(),
            max_exchanges: 1,
            agent: "a".repeat(length),
            pages: None,
        })
    };
    let overhead = control::encode(&open(0)).unwrap().len();
    let largest = control::encode(&open(MAX_PAYLOAD - overhead)).unwrap();
    assert_eq!(largest.len(), MAX_PAYLOAD);
    let error = control::encode(&open(MAX_PAYLOAD - overhead + 1)).unwrap_err();
    assert!(matches!(error, ControlError::TooLarge(size) if size == MAX_PAYLOAD + 1), "{error:?}");
}

#[test]
fn the_resume_key_stays_out_of_debug_output() {
    let key = "0123456789abcdef0123456789abcdef";
    let message = HostToEdge::Open(Open {
        name: Some("quiet-fox".to_owned()),
        resume_key: key.to_owned(),
        max_exchanges: 1,
        agent: "w".to_owned(),
        pages: None,
    });
    let shown = format!("{message:?}");
    assert!(!shown.contains(key) && shown.contains("quiet-fox"), "{shown}");
}
