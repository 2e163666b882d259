use super::*;

/// RFC 5769 §2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY and
/// FINGERPRINT.
const RFC_5769_REQUEST: &str = "
    0001 0058 2112a442 b7e7a701bc34d686fa87dfae
    8022 0010 5354554e207465737420636c69656e74
    0024 0004 6e0001ff
    8029 0008 932ff9b151263b36
    0006 0009 6576746a3a68367659 202020
    0008 0014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
    8028 0004 e57a3bcf";

/// RFC 5769 §2.2 and §2.3: what a server saw, and the attribute it says it with.
const RFC_5769_ADDRESSES: [(&str, &str); 2] = [
    ("192.0.2.1:32853", "0020 0008 0001 a147 e112a643"),
    (
        "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        "0020 0014 0002 a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9",
    ),
];

const TRANSACTION: [u8; 12] =
    [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// A Binding request with these attributes.
fn request(attributes: &str) -> Vec<u8> {
    let attributes = hex(attributes);
    let mut out = hex("0001 0000 2112a442");
    out.extend_from_slice(&TRANSACTION);
    out.extend_from_slice(&attributes);
    put_length(&mut out, 0);
    out
}

fn with_fingerprint(mut request: Vec<u8>) -> Vec<u8> {
    put_length(&mut request, 8);
    let value = fingerprint(&request);
    put_attribute(&mut request, FINGERPRINT, &value);
    request
}

#[test]
fn the_request_of_rfc_5769() {
    let request = read(&hex(RFC_5769_REQUEST)).unwrap();
    assert_eq!(request.transaction, TRANSACTION);
    assert!(request.fingerprint);
    // PRIORITY is of ICE: a server that is no ICE agent does not know it.
    assert_eq!(request.unknown, [0x0024]);
}

#[test]
fn the_addresses_of_rfc_5769() {
    let request = read(&request("")).unwrap();
    for (address, attribute) in RFC_5769_ADDRESSES {
        let answer = Answer::to(&request, address.parse().unwrap()).encode(&request);
        let attribute = hex(attribute);
        let mut expected = hex("0101 0000 2112a442");
        expected[3] = u8::try_from(attribute.len()).unwrap();
        expected.extend_from_slice(&TRANSACTION);
        expected.extend_from_slice(&attribute);
        assert_eq!(answer, expected, "{address}");
    }
}

#[test]
fn an_ipv4_address_in_ipv6_is_ipv4() {
    let request = read(&request("")).unwrap();
    let plain = Answer::Mapped("192.0.2.1:32853".parse().unwrap()).encode(&request);
    let mapped = Answer::Mapped("[::ffff:192.0.2.1]:32853".parse().unwrap()).encode(&request);
    assert_eq!(plain, mapped);
}

#[test]
fn a_fingerprint_is_answered_with_one() {
    let asked = read(&with_fingerprint(request(""))).unwrap();
    assert!(asked.fingerprint);
    let answer = Answer::Mapped("192.0.2.1:1".parse().unwrap()).encode(&asked);
    assert_eq!(answer.len(), 20 + 12 + 8);
    assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len() - HEADER);
    let (before, last) = answer.split_at(answer.len() - 8);
    assert_eq!(last[..4], hex("8028 0004"));
    assert_eq!(last[4..], fingerprint(before));
    // Of the whole message in RFC 5769, by the same function.
    let vector = hex(RFC_5769_REQUEST);
    assert_eq!(fingerprint(&vector[..vector.len() - 8])[..], hex("e57a3bcf"));
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    // CHANGE-REQUEST twice, an optional one, and one above.
    let attributes = "0003 0004 00000006  0003 0004 00000002  8022 0001 61000000  7fff 0000";
    let asked = read(&with_fingerprint(request(attributes))).unwrap();
    assert_eq!(asked.unknown, [0x0003, 0x7fff]);
    let answer = Answer::to(&asked, "192.0.2.1:1".parse().unwrap());
    assert_eq!(answer, Answer::UnknownAttributes);
    let mut expected = hex("0111 0018 2112a442");
    expected.extend_from_slice(&TRANSACTION);
    expected.extend(hex("0009 0004 00000414  000a 0004 0003 7fff"));
    let value = fingerprint(&expected);
    expected.extend(hex("8028 0004"));
    expected.extend(value);
    assert_eq!(answer.encode(&asked), expected);
}

#[test]
fn credentials_are_ignored_and_so_is_what_follows_the_integrity() {
    let integrity = format!("0008 0014 {}", "00".repeat(20));
    for attributes in [
        "0006 0003 61626300  0014 0000  0015 0000  001d 0004 00010000",
        &format!("{integrity} 0003 0004 00000006"),
        &format!("001c 0020 {} 0003 0004 00000006", "00".repeat(32)),
    ] {
        assert_eq!(read(&request(attributes)).unwrap().unknown, [0_u16; 0], "{attributes}");
        assert!(read(&with_fingerprint(request(attributes))).unwrap().fingerprint);
    }
}

#[test]
fn anything_else_is_refused() {
    let good = request("");
    let changed = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        message
    };
    let mut fingerprint_first = request("");
    put_length(&mut fingerprint_first, 16);
    let value = fingerprint(&fingerprint_first);
    put_attribute(&mut fingerprint_first, FINGERPRINT, &value);
    put_attribute(&mut fingerprint_first, 0x8022, b"late");
    put_length(&mut fingerprint_first, 0);
    for (message, refusal) in [
        (Vec::new(), Refusal::Size),
        (good[..19].to_vec(), Refusal::Size),
        (request(&format!("8022 0600 {}", "61".repeat(0x600))), Refusal::Size),
        (changed(0, 0x80), Refusal::NotStun),
        (changed(0, 0x40), Refusal::NotStun),
        // RFC 3489 has random bytes where the cookie is.
        (changed(4, 0x22), Refusal::NotStun),
        (changed(3, 4), Refusal::Length),
        ([&good[..], b"x"].concat(), Refusal::Length),
        ([&changed(3, 1)[..], b"x"].concat(), Refusal::Length),
        // An indication, a success, an error, an Allocate request, and a bit more of a method.
        (changed(1, 0x11), Refusal::NotBindingRequest),
        (changed(0, 0x01), Refusal::NotBindingRequest),
        (changed(1, 0x03), Refusal::NotBindingRequest),
        (changed(0, 0x20), Refusal::NotBindingRequest),
        (request("8022 0001"), Refusal::Attribute),
        (request("8022 0005 61616161"), Refusal::Attribute),
        (request("8022 ffff 61616161"), Refusal::Attribute),
        (fingerprint_first, Refusal::Attribute),
        (request("8028 0004 00000000"), Refusal::Fingerprint),
        (request("8028 0000"), Refusal::Fingerprint),
    ] {
        assert_eq!(read(&message), Err(refusal), "{message:02x?}");
    }
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_request_with_fingerprint_is_refused() {
    let message = hex(RFC_5769_REQUEST);
    for length in 0..message.len() {
        assert!(read(&message[..length]).is_err(), "{length}");
    }
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read(&flipped) {
            Err(_) => {}
            // The type of FINGERPRINT itself has no protection: it becomes another attribute.
            Ok(read) => assert!(!read.fingerprint, "bit {bit}"),
        }
    }
}

#[test]
fn answers_stay_small() {
    let source = "[2001:db8::1]:1".parse().unwrap();
    let many: String = (0..300_u16).map(|n| format!("{:04x} 0000 ", n + 0x100)).collect();
    for attributes in ["", "0003 0000", "0003 0004 00000000", &many] {
        for message in [request(attributes), with_fingerprint(request(attributes))] {
            let read = read(&message).unwrap();
            let answer = Answer::to(&read, source).encode(&read);
            assert!(answer.len() <= message.len() + 24, "{} for {}", answer.len(), message.len());
            assert!(answer.len() <= MAX_ANSWER);
        }
    }
    let read = read(&request(&many)).unwrap();
    assert_eq!(read.unknown.len(), MAX_UNKNOWN);
}
