// Splits a Rust file into parts of whole items: child modules which see everything of their parent by `use super::*`.
// Lines are moved as they are, but for the visibility that a child needs. It knows rustfmt's layout, not Rust.

/** What a file begins with is what it uses; this is the first of its other items. */
const FIRST_ITEM = /^(?:pub(?:\(.+\))? )?(?:async |unsafe )*(?:fn|struct|enum|union|trait|type|const|static|impl)\b/;
/** An item that has no visibility of its own: its indent, its name. */
const PRIVATE = /^( *)(?:(?:async|const|unsafe) )*(?:fn|struct|enum|union|trait|type|const|static) (?:mut )?(\w+)/;
/** Comments and attributes. */
const INTRODUCTION = /^ *(?:\/\/(?!!)|#\[)/;
/** The part that is the file itself. */
const STAYS = ".";
/** How far items of a part are seen, and what the parent writes to have them where they were. */
const REACHES = ["", "use ", "pub(crate) use ", "pub use "];

/**
 * The files that `text` at `path` becomes, as `[path, text]`, itself first. `parts` has for each part its first line of
 * doc; `cuts` are `[anchor, part]`: from the only line that begins with `anchor`, and what introduces it, until the next
 * cut, or the end of the `impl` it is in. The part "." is the file itself. A part `…_test` is for tests only.
 */
export function splitFile(path, text, { parts, cuts }) {
  const lines = text.trimEnd().split("\n");
  const sections = sectionsOf(path, lines, cuts);
  const owners = lines.map(() => STAYS);
  for (const { from, to, part } of sections) owners.fill(part, from, to);
  const unknown = owners.find((part) => part !== STAYS && !(part in parts));
  if (unknown !== undefined) throw new Error(`split.json: ${path}: there is no part ${JSON.stringify(unknown)}`);

  const commented = linesInComments(lines);
  // What a file uses stays with it: its parts see that too, and paths that begin with `super` stay right.
  const kept = lines.map((_, at) => owners[at] === STAYS || (!commented[at] && isUse(lines, at)));
  const isUsedOutside = (name, part) => {
    const word = new RegExp(`\\b${name}\\b`);
    return lines.some((line, at) => owners[at] !== part && word.test(line.replace(/\/\/.*/, "")));
  };
  const made = Object.entries(parts).map(([name, doc]) => {
    const part = new Part(doc, (item) => isUsedOutside(item, name));
    for (const { from, to, header } of sections.filter((section) => section.part === name)) {
      part.begin(header);
      for (let at = from; at < to; at += 1) if (!kept[at]) part.add(lines[at], commented[at]);
    }
    return { name, text: part.finish(), reach: part.reach };
  });
  const folder = path.replace(/(\/mod)?\.rs$/, "");
  const rest = remaining(lines, kept, declarations(path, made));
  return [[path, rest], ...made.map((part) => [`${folder}/${part.name}.rs`, part.text])];
}

/** Runs of lines, in their order: `{ from, to, part, header }`, with the `impl` they are out of. */
function sectionsOf(path, lines, cuts) {
  const wrong = (anchor, what) => new Error(`split.json: ${path}: the anchor ${JSON.stringify(anchor)} ${what}`);
  const sections = cuts.map(([anchor, part]) => {
    const found = lines.flatMap((line, at) => (line.startsWith(anchor) ? [at] : []));
    if (found.length === 0) throw wrong(anchor, "is not there: no line begins with it");
    if (found.length > 1) throw wrong(anchor, `is not one line: lines ${found.map((at) => at + 1).join(", ")} begin with it`);
    return { anchor, part, from: startOf(lines, found[0]), isInner: anchor.startsWith(" ") };
  });
  sections.sort((a, b) => a.from - b.from);
  for (const [at, section] of sections.entries()) {
    const next = sections[at + 1];
    section.to = next?.from ?? lines.length;
    if (section.isInner) {
      section.header = lines.slice(0, section.from).findLast((line) => /^[^\s/#]/.test(line));
      if (!/^impl\b.*\{$/.test(section.header)) throw wrong(section.anchor, "is not in an `impl X {`");
      section.to = Math.min(section.to, lines.indexOf("}", section.from));
    } else if (next?.isInner && section.part !== STAYS) {
      throw wrong(next.anchor, `cuts an item of the part ${JSON.stringify(section.part)}`);
    }
    while (lines[section.to - 1] === "") section.to -= 1;
  }
  return sections;
}

/** Where the comments and attributes of the item at a line begin. */
function startOf(lines, at) {
  let from = at;
  while (from > 0 && INTRODUCTION.test(lines[from - 1])) from -= 1;
  return from;
}

/** For each line whether it begins in a block comment; these nest. */
function linesInComments(lines) {
  let depth = 0;
  return lines.map((line) => {
    const before = depth;
    const code = depth > 0 ? line : line.replace(/\/\/.*/, "");
    for (const [mark] of code.matchAll(/\/\*|\*\//g)) depth += mark === "/*" ? 1 : -1;
    return before > 0;
  });
}

/** Whether a line is of a `use …;` of the module. */
function isUse(lines, at) {
  let from = at;
  while (from > 0 && /^[ }]/.test(lines[from])) from -= 1;
  return lines[from].startsWith("use ") && !lines.slice(from, at).some((line) => line.endsWith(";"));
}

/** What the parent says of its parts. */
function declarations(path, made) {
  const lines = ["// Parts of this file: split.json."];
  for (const { name, reach } of made.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name.endsWith("_test") && !path.endsWith("_test.rs")) lines.push("#[cfg(test)]");
    lines.push(`mod ${name};`);
    if (reach > 0) lines.push(`${REACHES[reach]}${name}::*;`);
  }
  return [...lines, ""];
}

/** What stays in the file, with the declarations before its first item. */
function remaining(lines, kept, declared) {
  const first = startOf(lines, lines.findIndex((line) => FIRST_ITEM.test(line)));
  const rest = [];
  let isAfterMoved = false;
  for (const [at, line] of lines.entries()) {
    if (at === first) rest.push(...declared);
    if (kept[at]) {
      // Where something was moved, the blank lines around it are one, or none beside a brace.
      if (isAfterMoved && line === "" && (rest.at(-1) === "" || rest.at(-1)?.endsWith("{"))) continue;
      if (isAfterMoved && line === "}" && rest.at(-1) === "") rest.pop();
      rest.push(line);
    }
    isAfterMoved = !kept[at];
  }
  return `${rest.join("\n").trimEnd()}\n`;
}

/** The text of a part. */
class Part {
  /** How far the furthest of its items is seen, an index of REACHES. */
  reach = 0;
  #lines;
  #isUsedOutside;
  #header;
  #isInherent = false;

  constructor(doc, isUsedOutside) {
    this.#lines = [`//! ${doc}`, "", "use super::*;"];
    this.#isUsedOutside = isUsedOutside;
  }

  /** A section begins, out of the `impl` that begins with `header`, if there is one. */
  begin(header) {
    if (this.#header !== header) this.#close();
    this.#blank();
    if (header !== undefined && this.#header === undefined) this.add(header);
    this.#header = header;
  }

  add(line, isComment = false) {
    if (line === "") return this.#blank();
    if (/^impl\b/.test(line)) this.#isInherent = !line.includes(" for ");
    if (line === "}") this.#isInherent = false;
    this.#lines.push(isComment ? line : this.#visible(line));
  }

  finish() {
    this.#close();
    return `${this.#lines.join("\n").trimEnd()}\n`;
  }

  #blank() {
    if (this.#lines.at(-1) !== "") this.#lines.push("");
  }

  #close() {
    if (this.#header !== undefined) this.add("}");
    this.#header = undefined;
  }

  /** What was private to the parent stays so: the parent and all below it see it. */
  #visible(line) {
    const isTop = /^\w/.test(line);
    if (!isTop && !(this.#isInherent && /^ {4}\w/.test(line))) return line;
    if (isTop && /^pub\b/.test(line)) this.reach = Math.max(this.reach, line.startsWith("pub(crate)") ? 2 : 3);
    const [, indent, name] = line.match(PRIVATE) ?? [];
    if (name === undefined || (isTop && !this.#isUsedOutside(name))) return line;
    if (isTop) this.reach = Math.max(this.reach, 1);
    return `${indent}pub(super) ${line.slice(indent.length)}`;
  }
}
