/** Reads `crates/wire/vectors`; its README defines the notation. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bytes } from "../../src/wire/buffer.ts";

const FOLDER = join(import.meta.dirname, "../../../crates/wire/vectors");

/** Annotated hexadecimal. */
export type Hex = string | string[];

/** A byte string. */
export type ByteString = string | { repeat: string; times: number };

export type Fields = [ByteString, ByteString][];

/** Loads one file, which is what the caller says. */
export function load(name: string): unknown {
  return JSON.parse(readFileSync(join(FOLDER, name), "utf8"));
}

/** What hexadecimal stands for. */
export function bytes(hex: Hex): Bytes {
  const parts = [hex].flat().map((line) => {
    const words = line.split("#")[0]!.trim().split(/\s+/);
    const times = words.at(-1)?.startsWith("x") ? Number(words.pop()!.slice(1)) : 1;
    return Buffer.from(words.join("").repeat(times), "hex");
  });
  return Uint8Array.from(Buffer.concat(parts));
}

/** Each character one byte, as the code has it. */
export const text = (string: ByteString): string =>
  typeof string === "string" ? string : string.repeat.repeat(string.times);

export const lines = (fields: Fields): [string, string][] => fields.map(([name, value]) => [text(name), text(value)]);

export const latin1 = (string: ByteString): Bytes => Uint8Array.from(Buffer.from(text(string), "latin1"));

/** `originRefused` as `origin-refused`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
