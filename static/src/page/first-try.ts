/**
 * The first try of a document to get a direct path. Apps open their sockets while they load, and those stay on their
 * path for as long as they live: so they wait for the outcome, but not for long, and not where there was none last time.
 */
export class FirstTry {
  /** What to wait for; undefined: it is decided. */
  pending: Promise<void> | undefined;
  #decide: () => void = () => undefined;

  constructor() {
    if (remember()) return;
    this.pending = new Promise((resolve) => (this.#decide = resolve));
    setTimeout(() => {
      this.end(false);
    }, PATIENCE_MS);
  }

  /** The path is up, or will not be so soon. */
  end(up: boolean): void {
    if (up || this.pending) remember(!up);
    this.pending = undefined;
    this.#decide();
  }
}

/** About twice of what it takes over a good line; a person hardly notices it once. */
const PATIENCE_MS = 1_000;
/** In this tab it took longer. */
const KEY = "wingman-slow";

/** Keeps whether it took too long, or tells it. */
function remember(slow?: boolean): boolean {
  try {
    if (slow) sessionStorage.setItem(KEY, "1");
    else if (slow === false) sessionStorage.removeItem(KEY);
    return sessionStorage.getItem(KEY) !== null;
  } catch {
    // The browser allows no storage: then there is no waiting either.
    return true;
  }
}
