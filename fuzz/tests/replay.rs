//! Runs every target on stable: the committed corpus, and a bounded number of pseudo-random inputs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use wingman_fuzz::{TARGETS, Target};

/// Larger vectors are left to the tests of `crates/wire`: a corpus is to be small.
const MAX_SEED: usize = 1_000;

/// Pseudo-random inputs per target.
const ROUNDS: u64 = 3_000;

#[test]
fn the_corpus_passes() {
    for target in TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(corpus(target)).expect("a target has a corpus") {
            let path = entry.expect("it can be listed").path();
            let input = fs::read(&path).expect("it can be read");
            check(target, &input, &path.display().to_string());
            files += 1;
        }
        assert!(files > 0, "{} has seeds", target.name);
    }
}

#[test]
fn random_inputs_and_mutated_seeds_pass() {
    for target in TARGETS {
        let seeds: Vec<_> = seeds(target).into_values().collect();
        for round in 0..ROUNDS {
            let mut random = Random(round.wrapping_mul(0x9e37_79b9) ^ 0x5eed);
            let mut input = if round % 3 == 0 {
                let length = random.below(700);
                (0..length).map(|_| random.below(256) as u8).collect()
            } else {
                seeds[random.below(seeds.len())].clone()
            };
            for _ in 0..random.below(6) {
                mutate(&mut input, &mut random);
            }
            check(target, &input, &format!("round {round}"));
        }
    }
}

/// The corpus is made from the vectors. After a change of them:
/// `WINGMAN_UPDATE_CORPUS=1 cargo test -p wingman-fuzz`.
#[test]
fn the_corpus_is_that_of_the_vectors() {
    let update = std::env::var_os("WINGMAN_UPDATE_CORPUS").is_some();
    for target in TARGETS {
        let directory = corpus(target);
        let expected = seeds(target);
        if update {
            fs::create_dir_all(&directory).expect("the corpus can be written");
        }
        for (name, seed) in &expected {
            let path = directory.join(name);
            if update {
                fs::write(&path, seed).expect("the corpus can be written");
            }
            let committed = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(committed == *seed, "{}/{name} is out of date", target.name);
        }
    }
}

#[test]
fn each_target_has_its_libfuzzer_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("libfuzzer/Cargo.toml")).expect("it is there");
    for target in TARGETS {
        let path = root.join(format!("fuzz_targets/{}.rs", target.name));
        let source = fs::read_to_string(&path).expect("a target has a binary");
        assert!(source.contains(&format!("wingman_fuzz::{}(", target.name)), "{}", target.name);
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
    }
}

fn corpus(target: Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Runs, and says with which input when it fails.
fn check(target: Target, input: &[u8], from: &str) {
    let run = std::panic::catch_unwind(|| (target.run)(input));
    assert!(run.is_ok(), "{} fails ({from}) with {input:02x?}", target.name);
}

fn seeds(target: Target) -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let mut add = |name: &str, seed: Vec<u8>| {
        let name: String = name
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' })
            .collect();
        if seed.len() <= MAX_SEED {
            assert!(seeds.insert(name, seed).is_none(), "names of vectors are different");
        }
    };
    match target.name {
        "frames" => {
            let vectors = vectors("frames.json");
            for list in ["valid", "invalid", "messages"] {
                each(&vectors[list], |name, entry| add(&format!("{list} {name}"), hex(entry)));
            }
        }
        "heads" => {
            let vectors = vectors("heads.json");
            for (kind, list) in [
                (0, "requests"),
                (0, "invalidRequests"),
                (1, "responses"),
                (1, "invalidResponses"),
                (2, "fieldLines"),
            ] {
                each(&vectors[list], |name, entry| {
                    add(&format!("{list} {name}"), [vec![kind], hex(entry)].concat());
                });
            }
        }
        "control" => {
            for file in ["control.json", "signals.json"] {
                let vectors = vectors(file);
                for list in ["valid", "invalid"] {
                    each(&vectors[list], |name, entry| {
                        let json = entry["json"].as_str().expect("a string");
                        add(&format!("{list} {name}"), json.as_bytes().to_vec());
                    });
                }
            }
        }
        "stun" => {
            for (name, digits) in STUN {
                add(name, hex(&serde_json::json!({ "hex": [digits] })));
            }
        }
        // Scripts have no vectors: pseudo-random ones are as good a start as any.
        _ => {
            for seed in 0..24 {
                let mut random = Random(seed);
                let length = 40 + random.below(600);
                let script = (0..length).map(|_| random.below(256) as u8).collect();
                add(&format!("script {seed:02}"), script);
            }
        }
    }
    seeds
}

/// As browsers ask, as RFC 5769 §2.1 does, and with attributes that nobody knows.
const STUN: [(&str, &str); 4] = [
    ("bare", "0001 0000 2112a442 000102030405060708090a0b"),
    (
        "rfc 5769",
        "0001 0058 2112a442 b7e7a701bc34d686fa87dfae 8022 0010 5354554e207465737420636c69656e74 \
         0024 0004 6e0001ff 8029 0008 932ff9b151263b36 0006 0009 6576746a3a68367659202020 \
         0008 0014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 8028 0004 e57a3bcf",
    ),
    ("change request", "0001 0008 2112a442 000102030405060708090a0b 0003 0004 00000006"),
    ("software", "0001 0008 2112a442 000102030405060708090a0b 8022 0003 61626300"),
];

fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wire/vectors").join(file);
    let text = fs::read_to_string(path).expect("the vectors are there");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn each(list: &Value, mut act: impl FnMut(&str, &Value)) {
    for entry in list.as_array().expect("a list") {
        act(entry["name"].as_str().expect("a name"), entry);
    }
}

/// The notation of `crates/wire/vectors/README.md`.
fn hex(entry: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in entry["hex"].as_array().expect("lines") {
        let line = line.as_str().expect("a line");
        let (mut part, mut times) = (Vec::new(), 1);
        for word in line.split('#').next().unwrap_or_default().split_whitespace() {
            match word.strip_prefix('x') {
                Some(count) => times = count.parse().expect("a number"),
                None => part.extend(word.as_bytes().chunks(2).map(|digits| {
                    let digits = std::str::from_utf8(digits).expect("ASCII");
                    u8::from_str_radix(digits, 16).expect("hexadecimal")
                })),
            }
        }
        bytes.extend(part.repeat(times));
    }
    bytes
}

fn mutate(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len().max(1));
    match random.below(5) {
        0 => input.insert(at.min(input.len()), random.below(256) as u8),
        1 => input.truncate(at),
        2 if !input.is_empty() => {
            input.remove(at);
        }
        3 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        _ => {
            let copy = input.get(at..).unwrap_or_default().to_vec();
            input.extend_from_slice(&copy[..copy.len().min(200)]);
        }
    }
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) as usize % bound
    }
}
