//! `ids.json`.

use serde::Deserialize;
use wingman_wire::id::{IdError, PeerId, RequestId, VisitorId};

use crate::vectors::load;

#[derive(Deserialize)]
struct Ids {
    valid: Vec<String>,
    invalid: Vec<String>,
}

#[test]
fn identifiers_are_those_of_the_vectors() {
    let ids: Ids = load("ids.json");
    for text in ids.valid {
        let id: PeerId = text.parse().expect(&text);
        assert_eq!(id.to_string(), text);
        assert_eq!(id, PeerId::from_bits(u128::from_str_radix(&text, 16).unwrap()));
        assert_eq!(text.parse::<VisitorId>().unwrap().to_string(), text);
        assert_eq!(text.parse::<RequestId>().unwrap().to_string(), text);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<PeerId>(&json).unwrap(), id);
    }
    for text in ids.invalid {
        assert_eq!(text.parse::<PeerId>(), Err(IdError), "{text:?}");
        let json = serde_json::to_string(&text).unwrap();
        assert!(serde_json::from_str::<RequestId>(&json).is_err(), "{text:?}");
    }
}
