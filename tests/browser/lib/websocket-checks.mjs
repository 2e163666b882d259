// What an app can see of a WebSocket. `checks` runs in a page, once with the browser's own constructor and once with
// ours: both must see the same. Sockets go to the paths of page-lab.mjs.

/** Gives an object of JSON values, one per check. */
export async function checks(which) {
  const WS = window[which];
  const base = `ws://${location.host}/ws`;
  const seen = {};
  const events = (socket, log) => {
    for (const type of ["open", "message", "error", "close"]) {
      socket.addEventListener(type, (event) => log.push(describe(event, socket)));
    }
  };
  const describe = (event, socket) => {
    const { type, data, code, reason, wasClean } = event;
    const about = [type, socket.readyState, event instanceof Event];
    if (type === "message") {
      const kind = Object.prototype.toString.call(data);
      about.push(kind, typeof data === "string" ? (data.length < 50 ? data : data.length) : (data.byteLength ?? data.size));
      about.push(event.origin, event.lastEventId, event.source, event instanceof MessageEvent);
    }
    if (type === "close") about.push(code, reason, wasClean, event instanceof CloseEvent);
    return about.join("|");
  };
  const on = (socket, type) => new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
  const thrown = (act) => {
    try {
      act();
      return "nothing";
    } catch (error) {
      return `${error.constructor.name} ${error.name}`;
    }
  };
  /** Opens, lets `act` do something, and gives all events up to close. */
  const life = async (path, act = (socket) => socket.close(), protocols) => {
    const socket = new WS(`${base}${path}`, ...(protocols === undefined ? [] : [protocols]));
    const log = [];
    events(socket, log);
    const closed = on(socket, "close");
    await Promise.race([on(socket, "open"), closed]);
    if (socket.readyState === 1) await act(socket, log);
    await closed;
    return [...log, `protocol ${socket.protocol}`, `state ${socket.readyState}`];
  };

  // The object.
  const socket = new WS(`${base}/echo`);
  seen.instance = [socket instanceof WS, socket instanceof EventTarget, socket instanceof Event];
  seen.tag = [String(socket), Object.prototype.toString.call(socket)];
  seen.constructor = [socket.constructor === window.WebSocket, Object.getPrototypeOf(socket) === WS.prototype];
  seen.constants = [WS.CONNECTING, WS.OPEN, WS.CLOSING, WS.CLOSED, socket.OPEN, WS.prototype.CLOSED];
  seen.names = [WS.name, WS.length, WS.prototype.send.name, WS.prototype.send.length, WS.prototype.close.length];
  seen.native = [/\[native code\]/.test(String(WS)), /\[native code\]/.test(String(WS.prototype.send))];
  seen.own = [Object.keys(socket), Object.getOwnPropertyNames(socket)];
  seen.enumerable = (() => { const keys = []; for (const key in socket) keys.push(key); return keys.sort(); })();
  seen.initial = [socket.url, socket.readyState, socket.protocol, socket.extensions, socket.binaryType, socket.bufferedAmount, socket.onopen, socket.onclose];
  seen.sendConnecting = thrown(() => socket.send("x"));
  seen.sendNothing = thrown(() => socket.send());
  seen.readOnly = (() => { socket.readyState = 7; socket.url = "x"; return [socket.readyState, socket.url]; })();
  socket.binaryType = "nonsense";
  seen.binaryTypeNonsense = socket.binaryType;
  seen.handlers = (() => {
    socket.onopen = 5;
    const number = socket.onopen;
    const object = {};
    socket.onopen = object;
    const kept = socket.onopen === object;
    socket.onopen = null;
    return [number, kept, socket.onopen];
  })();
  seen.getter = thrown(() => Object.getOwnPropertyDescriptor(WS.prototype, "readyState").get.call({}));
  await on(socket, "open");
  seen.openState = [socket.readyState, socket.protocol];

  // Wrong ways to make one.
  seen.withoutNew = thrown(() => WS(`${base}/echo`));
  seen.noUrl = thrown(() => new WS());
  seen.badUrl = thrown(() => new WS("ws://"));
  seen.badScheme = thrown(() => new WS("ftp://example.com/"));
  seen.fragment = thrown(() => new WS(`${base}/echo#x`));
  seen.emptyFragment = thrown(() => new WS(`${base}/echo#`));
  seen.duplicateProtocol = thrown(() => new WS(`${base}/echo`, ["a", "a"]));
  seen.emptyProtocol = thrown(() => new WS(`${base}/echo`, ""));
  seen.spaceProtocol = thrown(() => new WS(`${base}/echo`, "a b"));
  seen.oldStyle = thrown(() => { function Old(url) { WS.call(this, url); } Old.prototype = Object.create(WS.prototype); new Old(`${base}/echo`); });
  seen.closeCodes = [999, 1001, 2999, 5000, 1005].map((code) => thrown(() => socket.close(code)));
  seen.closeReason = thrown(() => socket.close(1000, "x".repeat(124)));
  seen.stillOpen = socket.readyState;

  // URLs.
  const relative = new WS("/ws/echo?q=1");
  const http = new WS(`http://${location.host}/ws/echo`);
  const upper = new WS(`WS://${location.host.toUpperCase()}/ws/../ws/echo`);
  seen.urls = [relative.url, http.url, upper.url];
  await Promise.all([relative, http, upper].map((one) => on(one, "open")));

  // Messages.
  const echo = async (data, binaryType = "blob") => {
    socket.binaryType = binaryType;
    const got = on(socket, "message");
    socket.send(data);
    const amount = socket.bufferedAmount;
    const event = await got;
    const kind = Object.prototype.toString.call(event.data);
    const back = event.data instanceof Blob ? await event.data.arrayBuffer() : event.data;
    const bytes = typeof back === "string" ? back : Array.from(new Uint8Array(back).slice(0, 8));
    return [kind, typeof back === "string" ? back.length : back.byteLength, typeof bytes === "string" ? bytes.slice(0, 20) : bytes, amount > 0, event.origin];
  };
  seen.text = await echo("hällo \u{1f600}");
  seen.emptyText = await echo("");
  seen.surrogate = await echo("\ud800");
  seen.number = await echo(5);
  seen.null = await echo(null);
  seen.undefined = await echo(undefined);
  seen.buffer = await echo(new Uint8Array([1, 2, 3]).buffer);
  seen.view = await echo(new Uint16Array([258, 3]).subarray(1), "arraybuffer");
  seen.dataView = await echo(new DataView(new Uint8Array([9, 8, 7, 6]).buffer, 1, 2), "arraybuffer");
  seen.blob = await echo(new Blob(["blob"]), "arraybuffer");
  seen.emptyBinary = await echo(new Uint8Array(), "arraybuffer");
  seen.sized = [];
  for (const size of [125, 126, 65_535, 65_536, 1_000_000]) seen.sized.push(await echo(new Uint8Array(size).fill(7), "arraybuffer"));
  seen.order = await new Promise((resolve) => {
    const got = [];
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      got.push(typeof data === "string" ? data : data.byteLength);
      if (got.length === 5) resolve(got);
    };
    socket.send("a");
    socket.send(new Blob(["bl"]));
    socket.send("c");
    const changed = new Uint8Array([1, 2, 3]);
    socket.send(changed);
    changed.fill(0);
    socket.send("e");
  });
  seen.listenerOrder = await new Promise((resolve) => {
    const order = [];
    const one = new WS(`${base}/echo`);
    one.addEventListener("open", () => order.push("listener 1"));
    one.onopen = () => order.push("replaced");
    one.addEventListener("open", () => order.push("listener 2"));
    one.onopen = function (event) { order.push(`on ${this === one} ${event.target === one} ${event.currentTarget === one}`); };
    one.addEventListener("open", { handleEvent: () => order.push("object") });
    one.addEventListener("open", () => { one.close(); resolve(order); });
  });
  socket.close();
  seen.afterClose = [socket.readyState, thrown(() => socket.send("x")), thrown(() => socket.close())];

  // Ends.
  seen.close = await life("/echo");
  seen.closeCode = await life("/echo", (one) => one.close(3000, "gründe"));
  seen.serverClose = await life("/server-close", () => undefined);
  seen.refused = await life("/refuse");
  seen.cut = await life("/cut", () => undefined);
  seen.invalid = await life("/invalid", () => undefined);
  seen.fragments = await life("/fragments", async (one) => {
    await on(one, "message");
    await on(one, "message");
    one.close();
  });
  seen.lastWords = await life("/echo", (one, log) => {
    one.send("last");
    one.close(1000);
    log.push(`state ${one.readyState}`);
  });
  seen.protocols = await life("/echo", undefined, ["chat", "superchat"]);
  seen.oneProtocol = await life("/echo", undefined, "chat");
  seen.closeConnecting = await (async () => {
    const one = new WS(`${base}/echo`);
    const log = [];
    events(one, log);
    one.close();
    log.push(`state ${one.readyState}`);
    await on(one, "close");
    return log;
  })();

  // Subclasses.
  class Sub extends WS {
    constructor(url) {
      super(url);
      this.mine = 1;
    }
    send(data) {
      super.send(`sub ${data}`);
    }
  }
  const sub = new Sub(`${base}/echo`);
  await on(sub, "open");
  const answer = on(sub, "message");
  sub.send("x");
  seen.subclass = [sub instanceof Sub, sub instanceof WS, sub.mine, sub.constructor === Sub, (await answer).data, Sub.OPEN];
  sub.close();
  return seen;
}
