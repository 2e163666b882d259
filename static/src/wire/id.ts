/** Random 128-bit identifiers, 32 lower-case hexadecimal digits. */

/** Of a page's connection, a visitor or a request. */
export type Id = string;

/** A new one. */
export const newId = (): Id =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Whether `text` is one. */
export const isId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
