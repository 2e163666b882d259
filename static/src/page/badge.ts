/**
 * The badge: which path requests take, for a person to see. It is in the document, but not of it: no layout, no focus,
 * no selector of the app finds more than one empty element behind `<body>`.
 */

import type { PageState } from "./state.ts";

/** Where the person has put it. */
const PLACE_KEY = "wingman-badge";
/** An app that removes it so often does not want it. */
const MAX_RETURNS = 10;
/** A press that moved less is a click. */
const SLACK = 4;

const CSS = `:host{all:initial!important;position:fixed!important;inset:0 auto auto 0!important;z-index:2147483647!important;display:block!important;width:0!important;height:0!important}
div{position:fixed;left:12px;bottom:12px;max-width:min(360px,90vw);box-sizing:border-box;padding:5px 10px;border-radius:14px;background:#17181cee;color:#fff;font:12px/18px system-ui,sans-serif;box-shadow:0 1px 6px #0006;cursor:pointer;user-select:none;-webkit-user-select:none;touch-action:none;white-space:pre-line}
i{display:inline-block;width:8px;height:8px;margin-right:6px;border-radius:4px;background:#e0a030}
.direct i{background:#35c46a}.connecting i{background:#7a8090}
p{margin:4px 0 0;color:#c8ccd4}
@media print{div{display:none}}`;

export function showBadge(page: PageState): void {
  const host = document.createElement("wingman-badge");
  // It repeats what a developer may want to know; to a person who listens to the app it is noise.
  host.setAttribute("aria-hidden", "true");
  const root = host.attachShadow({ mode: "closed" });
  // Not a <style>: the policy of the app may forbid it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  root.adoptedStyleSheets = [sheet];
  const box = document.createElement("div");
  const dot = document.createElement("i");
  const line = document.createElement("span");
  const details = document.createElement("p");
  details.hidden = true;
  box.append(dot, line, details);
  root.append(box);

  const render = (): void => {
    box.className = page.state;
    line.textContent = headline(page);
    if (!details.hidden) details.textContent = detailsOf(page);
  };
  movable(box, () => {
    details.hidden = !details.hidden;
    render();
  });
  page.surface.addEventListener("change", render);
  render();

  let returns = 0;
  const attach = (): void => {
    if (!host.isConnected && returns++ <= MAX_RETURNS) document.documentElement.append(host);
  };
  const begin = (): void => {
    attach();
    new MutationObserver(attach).observe(document.documentElement, { childList: true });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
}

function headline({ state, why, stats }: PageState): string {
  switch (state) {
    case "direct": {
      const ms = stats.roundTrip.direct;
      return ms === undefined ? "Direct" : `Direct · ${milliseconds(ms)}`;
    }
    case "relay":
      return why ? `Relay · ${why}` : "Relay";
    case "connecting":
      return "Connecting";
  }
}

function detailsOf({ stats }: PageState): string {
  const { exchanges, bytes, roundTrip, fallbacks, timeToDirectMs } = stats;
  const path = (name: "direct" | "relay"): string => {
    const ms = roundTrip[name];
    const { sent, received } = bytes[name];
    return `${exchanges[name]} requests ${name}, ${size(sent)} up, ${size(received)} down${ms === undefined ? "" : `, ${milliseconds(ms)}`}`;
  };
  const lines = [path("direct"), path("relay")];
  if (timeToDirectMs !== undefined) lines.push(`Direct after ${milliseconds(timeToDirectMs)}`);
  if (fallbacks > 0) lines.push(`Fallbacks: ${fallbacks}`);
  return lines.join("\n");
}

function milliseconds(ms: number): string {
  return ms < 1 ? "< 1 ms" : `${Math.round(ms)} ms`;
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Drags `box` by pointer and remembers where it was put; a press without a move is a click. */
function movable(box: HTMLElement, onclick: () => void): void {
  const moveTo = (x: number, y: number): void => {
    const { style } = box;
    style.left = `${Math.max(0, Math.min(x, innerWidth - box.offsetWidth))}px`;
    style.top = `${Math.max(0, Math.min(y, innerHeight - box.offsetHeight))}px`;
    style.bottom = "auto";
  };
  let from: { x: number; y: number; moved: boolean } | undefined;
  const on = (type: string, act: (event: PointerEvent) => void): void => {
    box.addEventListener(type, (event) => {
      // The app's "click elsewhere" is not meant.
      event.stopPropagation();
      act(event as PointerEvent);
    });
  };
  on("pointerdown", (event) => {
    const { left, top } = box.getBoundingClientRect();
    from = { x: event.clientX - left, y: event.clientY - top, moved: false };
    box.setPointerCapture(event.pointerId);
  });
  on("pointermove", ({ clientX, clientY }) => {
    if (from === undefined) return;
    const { left, top } = box.getBoundingClientRect();
    from.moved ||= Math.hypot(clientX - left - from.x, clientY - top - from.y) > SLACK;
    if (from.moved) moveTo(clientX - from.x, clientY - from.y);
  });
  on("pointerup", () => {
    if (from?.moved) remember(box.style.left, box.style.top);
    else if (from) onclick();
    from = undefined;
  });
  on("pointercancel", () => (from = undefined));
  // The focus stays where it is.
  on("mousedown", (event) => {
    event.preventDefault();
  });
  for (const type of ["mouseup", "click", "dblclick", "touchstart", "touchend"]) on(type, () => undefined);
  const place = remembered();
  if (place) requestAnimationFrame(() => {
    moveTo(place[0], place[1]);
  });
}

function remember(left: string, top: string): void {
  try {
    sessionStorage.setItem(PLACE_KEY, `${parseFloat(left)},${parseFloat(top)}`);
  } catch {
    // The browser allows no storage.
  }
}

function remembered(): [number, number] | undefined {
  try {
    const [x, y] = (sessionStorage.getItem(PLACE_KEY) ?? "").split(",").map(Number);
    return x !== undefined && y !== undefined && Number.isFinite(x + y) ? [x, y] : undefined;
  } catch {
    return undefined;
  }
}
