/**
 * `window.WebSocket`: sockets to this origin go directly if the direct path is up when they are made, or is about to
 * be; all others are the browser's own. A live socket never changes its path.
 *
 * The constructor and the members of the prototype stay the browser's, each behind a Proxy that looks whether the
 * socket is one of ours. So `instanceof`, subclasses, constants, names, and all errors of the constructor are native.
 */

import type { DirectSocket, Wish, openDirectSocket } from "../extras/direct-socket.ts";
import type { Direct } from "./direct.ts";
import type { Stats } from "./state.ts";

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

type Open = typeof openDirectSocket;

/**
 * Puts it in place, once. Until what this gives is called, all sockets are native. `hope`: what sockets wait for while
 * the path is not up; undefined: nothing.
 */
export function wrapWebSocket(
  direct: Direct,
  stats: Stats,
  mayGoDirect: (path: string) => boolean,
  hope: () => Promise<void> | undefined,
): (open: Open) => void {
  let open: Open | undefined;
  const Native = window.WebSocket;
  const sockets = new WeakMap<object, DirectSocket>();

  const Wrapped = new Proxy(Native, {
    construct(target, parameters: unknown[], newTarget) {
      const wish = read(parameters);
      if (wish && mayGoDirect(wish.url.pathname)) {
        const wait = direct.up ? undefined : hope();
        if ((direct.up || wait) && open) {
          const outer = Reflect.construct(EventTarget, [], newTarget) as EventTarget;
          const socket = open(outer, wish, direct, stats, Native, wait);
          if (socket) {
            sockets.set(outer, socket);
            return outer;
          }
        }
        stats.exchanges.relay++;
      }
      return Reflect.construct(target, parameters, newTarget) as WebSocket;
    },
  });

  /** `native`, but for our sockets. */
  const split = (native: unknown, ours: (socket: DirectSocket, parameters: unknown[]) => unknown): unknown =>
    typeof native === "function"
      ? new Proxy(native, {
          apply(target, self: object, parameters: unknown[]): unknown {
            const socket = Object(self) === self ? sockets.get(self) : undefined;
            return socket ? ours(socket, parameters) : Reflect.apply(target, self, parameters);
          },
        })
      : native;
  const prototype = Native.prototype;
  const members = Object.getOwnPropertyDescriptors(prototype) as object as Record<string, Record<string, unknown>>;
  for (const [name, member] of Object.entries(members)) {
    member["value"] &&=
      name === "constructor"
        ? Wrapped
        : split(member["value"], (socket, parameters) => Reflect.apply(Reflect.get(socket, name) as () => unknown, socket, parameters));
    member["get"] &&= split(member["get"], (socket) => (name.startsWith("on") ? socket.handler(name) : (Reflect.get(socket, name) as unknown)));
    member["set"] &&= split(member["set"], (socket, [value]) => {
      if (name.startsWith("on")) socket.setHandler(name, value);
      else Reflect.set(socket, name, value);
    });
    Object.defineProperty(prototype, name, member);
  }
  Object.defineProperty(window, "WebSocket", { value: Wrapped, writable: true, configurable: true });
  return (given) => {
    open = given;
  };
}

/** What the app wants, if it is valid and of this origin. About everything else the native constructor decides. */
function read(parameters: unknown[]): Wish | undefined {
  const [address, protocols] = parameters;
  try {
    const url = new URL(String(address), document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const names = protocols === undefined ? [] : (Array.isArray(protocols) ? protocols : [protocols]).map(String);
    const isValid =
      parameters.length > 0 &&
      url.origin === location.origin.replace("http", "ws") &&
      !url.href.includes("#") &&
      new Set(names).size === names.length &&
      names.every((name) => TOKEN.test(name));
    return isValid ? { url, protocols: names } : undefined;
  } catch {
    return undefined;
  }
}
