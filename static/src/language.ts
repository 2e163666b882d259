/** `Accept-Language` as Chromium makes it; Firefox shows the field to workers. */
export const acceptLanguage = (languages: readonly string[]): string =>
  languages.map((tag, at) => (at ? `${tag};q=${Math.max(1, 10 - at) / 10}` : tag)).join(",");
