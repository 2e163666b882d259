/**
 * Readers of JSON values: each takes what was parsed and gives what it means, or throws. Unknown keys are dropped, so
 * that additions need no new version; what is missing or of another type is an error.
 */

/** Not the message that was expected. */
export class JsonError extends Error {}

/** Reads one value. */
export type Json<T> = (value: unknown) => T;

/** What a reader gives. */
export type Decoded<J> = J extends Json<infer T> ? T : never;

/** Parses a text and reads it; throws {@link JsonError}. */
export function parse<T>(read: Json<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    fail();
  }
  return read(value);
}

/** A string, of a form if given. */
export const string =
  (form?: RegExp): Json<string> =>
  (value) =>
    typeof value === "string" && (!form || form.test(value)) ? value : fail();

export const bool: Json<boolean> = (value) => (typeof value === "boolean" ? value : fail());

/** A number; JSON has neither infinities nor NaN. */
export const number: Json<number> = (value) => (Number.isFinite(value) ? (value as number) : fail());

/** An integer of so many bits, from 0. */
export const uint =
  (bits: number): Json<number> =>
  (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** bits ? (value as number) : fail();

export const list =
  <T>(item: Json<T>): Json<T[]> =>
  (value) =>
    Array.isArray(value) ? value.map(item) : fail();

/** A list that is left out where it is empty. */
export const some =
  <T>(item: Json<T>): Json<T[] | undefined> =>
  (value) => {
    const items = value === undefined ? [] : list(item)(value);
    return items.length ? items : undefined;
  };

/** One of some strings; another one is `other`, if there is such. */
export const oneOf =
  <T extends string>(some: readonly T[], other?: T): Json<T> =>
  (value) =>
    typeof value === "string" ? (some.find((one) => one === value) ?? other ?? fail()) : fail();

/** What may be missing, or null. */
export const optional =
  <T>(inner: Json<T>): Json<T | undefined> =>
  (value) =>
    value === undefined || value === null ? undefined : inner(value);

/** What may be missing and is written as null then. */
export const nullable =
  <T>(inner: Json<T>): Json<T | null> =>
  (value) =>
    value === undefined || value === null ? null : inner(value);

/** What may be missing and is this then. */
export const byDefault =
  <T>(inner: Json<T>, value: T): Json<T> =>
  (given) =>
    given === undefined ? value : inner(given);

type Shape = Record<string, Json<unknown>>;
type Optional<S extends Shape> = { [K in keyof S]: undefined extends Decoded<S[K]> ? K : never }[keyof S];
/** An object whose keys may be absent where the value may be undefined. */
type Shaped<S extends Shape> = { [K in Exclude<keyof S, Optional<S>>]: Decoded<S[K]> } & {
  [K in Optional<S>]?: Exclude<Decoded<S[K]>, undefined>;
};

/** An object with these keys, in this order. */
export const object =
  <S extends Shape>(shape: S): Json<Shaped<S>> =>
  (value) => {
    const from = record(value);
    const to: Record<string, unknown> = {};
    for (const key in shape) {
      const read = shape[key]?.(own(from, key));
      if (read !== undefined) {
        to[key] = read;
      }
    }
    return to as Shaped<S>;
  };

/** One of some objects, told apart by the string at `key`. */
export const tagged =
  <K extends string, V extends Record<string, Json<object>>>(
    key: K,
    variants: V,
  ): Json<{ [T in keyof V & string]: Record<K, T> & Decoded<V[T]> }[keyof V & string]> =>
  (value) => {
    const tag = own(record(value), key);
    const variant = typeof tag === "string" ? own(variants, tag) : undefined;
    return { [key]: tag, ...(variant as Json<object> | undefined ?? fail)(value) } as never;
  };

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value && !Array.isArray(value) ? (value as Record<string, unknown>) : fail();
}

/** `from[key]`, but nothing that every object has. */
const own = (from: object, key: string): unknown =>
  Object.hasOwn(from, key) ? (from as Record<string, unknown>)[key] : undefined;

function fail(): never {
  throw new JsonError();
}
