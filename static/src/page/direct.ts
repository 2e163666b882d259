/**
 * What the page's parts know of the direct path: `connection.ts` implements it, `requests.ts` (for the worker) and
 * `websocket.ts` use it.
 */

import type { ResetCode } from "../wire/code.ts";

/** A field line, name in lower case. */
export type FieldLine = readonly [name: string, value: string];

/** The head of a request, as `crates/wire` has it. */
export interface RequestHead {
  readonly method: string;
  /** Origin-form. */
  readonly target: string;
  readonly fields: readonly FieldLine[];
}

/** The head of a final response. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly FieldLine[];
}

/** Why an exchange ended without a complete response. */
export class ExchangeError extends Error {
  /** Whether any of it may have reached the host. False: nothing was executed, any request may go by relay. */
  readonly sent: boolean;
  /** The code of a RESET of the host; undefined: the path broke. */
  readonly code: number | undefined;

  constructor(message: string, sent: boolean, code?: number) {
    super(message);
    this.sent = sent;
    this.code = code;
  }
}

/** One request on the direct path. */
export interface DirectExchange {
  /** Resolves with the final head; rejects with an {@link ExchangeError}. */
  readonly head: Promise<ResponseHead>;
  /**
   * The next piece of content, `null` after the last (the total was checked). Asking is what gives credit to the
   * host. Rejects with an {@link ExchangeError}.
   */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Bytes of an upgraded connection. Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends this direction of an upgraded connection. */
  finish(): void;
  /** Ends both directions, and says why; harmless after the end. */
  cancel(code?: ResetCode): void;
}

/** The direct path, as it is now. */
export interface Direct {
  /** Whether {@link Direct.open} would work. */
  readonly up: boolean;
  /**
   * Opens an exchange at once; throws {@link ExchangeError} (not sent) when the path is down or full. `content` is
   * sent whole; `undefined`: none. `upgrade`: this direction stays open.
   */
  open(head: RequestHead, content?: Uint8Array, upgrade?: boolean): DirectExchange;
  /** Called at each change of `up`. */
  onchange: ((up: boolean) => void) | null;
}
