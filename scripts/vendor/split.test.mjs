import assert from "node:assert/strict";
import { test } from "node:test";
import { splitFile } from "./split.mjs";

const LONG = `use super::other::*;
use std::fmt;

#[derive(Debug)]
pub struct Pump {
    speed: u32,
}

impl Pump {
    /// Starts it.
    #[inline]
    fn start(&mut self) {
        self.speed = 1;
    }

    pub fn stop(&mut self) {
        fn inner() {}
    }

    fn speed(&self) -> u32 {
        self.speed
    }
}

use std::io;

/*
fn old() {}
*/
// More than old.
const MOST: u32 = 7;
const ALONE: u32 = 8;
pub(crate) enum Kind {
    Small,
}

impl Kind {
    const fn most() -> u32 {
        MOST
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("small")
    }
}

fn last() -> u32 {
    MOST
}

#[cfg(test)]
mod test {
    #[test]
    fn works() {}
}
`;

const PLAN = {
  parts: { running: "Running it.", kind: "Its kinds.", pump_test: "Its tests." },
  cuts: [
    ["    fn start(", "running"],
    ["    pub fn stop(", "."],
    ["    fn speed(", "running"],
    ["/*", "kind"],
    ["fn last(", "."],
    ["mod test {", "pump_test"],
  ],
};

const split = (path, plan) => Object.fromEntries(splitFile(path, LONG, plan));

test("a file keeps what is not moved, what it uses, and names its parts", () => {
  const files = split("water/pump.rs", PLAN);
  assert.deepEqual(Object.keys(files), ["water/pump.rs", "water/pump/running.rs", "water/pump/kind.rs", "water/pump/pump_test.rs"]);
  assert.equal(
    files["water/pump.rs"],
    `use super::other::*;
use std::fmt;

// Parts of this file: split.json.
mod kind;
pub(crate) use kind::*;
#[cfg(test)]
mod pump_test;
mod running;

#[derive(Debug)]
pub struct Pump {
    speed: u32,
}

impl Pump {
    pub fn stop(&mut self) {
        fn inner() {}
    }
}

use std::io;

fn last() -> u32 {
    MOST
}
`,
  );
});

test("methods are in an `impl` like theirs, and seen by whom they were seen", () => {
  assert.equal(
    split("water/pump.rs", PLAN)["water/pump/running.rs"],
    `//! Running it.

use super::*;

impl Pump {
    /// Starts it.
    #[inline]
    pub(super) fn start(&mut self) {
        self.speed = 1;
    }

    pub(super) fn speed(&self) -> u32 {
        self.speed
    }
}
`,
  );
});

test("items are seen by the parent where it names them; comments and traits' methods are left as they are", () => {
  assert.equal(
    split("water/pump.rs", PLAN)["water/pump/kind.rs"],
    `//! Its kinds.

use super::*;

/*
fn old() {}
*/
// More than old.
pub(super) const MOST: u32 = 7;
const ALONE: u32 = 8;
pub(crate) enum Kind {
    Small,
}

impl Kind {
    pub(super) const fn most() -> u32 {
        MOST
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("small")
    }
}
`,
  );
});

test("parts of a mod.rs are beside it", () => {
  assert.ok("water/running.rs" in split("water/mod.rs", PLAN));
});

test("anchors that do not fit are named, with their file", () => {
  const wrong = {
    [/pump\.rs: the anchor "fn gone\(" is not there/.source]: [["fn gone(", "kind"]],
    [/pump\.rs: the anchor "use std" is not one line: lines 2, 25 begin/.source]: [["use std", "kind"]],
    [/pump\.rs: the anchor " {4}speed: u32" is not in an `impl X \{`/.source]: [["    speed: u32", "kind"]],
    [/pump\.rs: the anchor " {4}pub fn stop\(" cuts an item of the part "kind"/.source]: [
      ["pub struct Pump", "kind"],
      ["    pub fn stop(", "."],
    ],
    [/pump\.rs: there is no part "kinds"/.source]: [["fn last(", "kinds"]],
  };
  for (const [message, cuts] of Object.entries(wrong)) {
    assert.throws(() => splitFile("pump.rs", LONG, { parts: { kind: "Kinds." }, cuts }), new RegExp(message));
  }
});
