/**
 * What a person, a test or a tool may know of the paths: `window.__wingman` and the badge show it, the reports
 * to the edge are made of it.
 */

/** The path that requests take now. */
export type PathState = "direct" | "relay" | "connecting";

export interface Bytes {
  sent: number;
  received: number;
}

export interface Stats {
  /** Requests and WebSockets. */
  exchanges: { direct: number; relay: number };
  /** Content. */
  bytes: { direct: Bytes; relay: Bytes };
  /** Changes from direct to relay. */
  fallbacks: number;
  /** From the start of the page script to the first hello of the host. */
  timeToDirectMs: number | undefined;
  /** The last ones measured, milliseconds. */
  roundTrip: { direct: number | undefined; relay: number | undefined };
}

export class PageState {
  /** Whoever moves bytes counts them here. */
  readonly stats: Stats = {
    exchanges: { direct: 0, relay: 0 },
    bytes: { direct: { sent: 0, received: 0 }, relay: { sent: 0, received: 0 } },
    fallbacks: 0,
    timeToDirectMs: undefined,
    roundTrip: { direct: undefined, relay: undefined },
  };
  /** For tools. */
  readonly surface: Surface = new Surface(this);
  state: PathState = "connecting";
  why = "";

  set(state: PathState, why = ""): void {
    if (state === this.state && why === this.why) return;
    this.state = state;
    this.why = why;
    this.changed();
  }

  /** Something that is shown is different now. */
  changed(): void {
    this.surface.dispatchEvent(new Event("change"));
  }
}

/** `window.__wingman`. It shows and takes nothing. */
class Surface extends EventTarget {
  readonly #page: PageState;

  constructor(page: PageState) {
    super();
    this.#page = page;
    Object.seal(this);
  }

  get state(): PathState {
    return this.#page.state;
  }

  /** Why requests do not go directly; empty when they do. */
  get why(): string {
    return this.#page.why;
  }

  /** As it is now. */
  get stats(): Stats {
    return structuredClone(this.#page.stats);
  }
}

/** Visible to those who know the name, and to no loop over `window`. */
export function expose(surface: object): void {
  try {
    Object.defineProperty(window, "__wingman", { value: surface });
  } catch {
    // The app has the name already: it is the app's.
  }
}
