/**
 * The badge: which path requests take, for a person to see. It is in the document, but not of it: no layout, no focus,
 * and selectors of the app find one empty element behind `<body>`.
 */

import type { PageState } from "../page/state.ts";

/** Where the person has put it. */
const PLACE_KEY = "wingman-badge";
/** An app that removes it so often does not want it. */
const MAX_RETURNS = 10;
/** A press that moved less is a click. */
const SLACK = 4;

const CSS = `:host{all:initial!important;position:fixed!important;z-index:2147483647!important;width:0!important;height:0!important}
div{position:fixed;left:12px;bottom:12px;padding:5px 10px;border-radius:14px;background:#17181cee;color:#fff;font:12px/18px system-ui;cursor:pointer;user-select:none;-webkit-user-select:none;touch-action:none;white-space:pre-line}
div::before{content:"● ";color:#e0a030}
.direct::before{color:#35c46a}
@media print{div{display:none}}`;

export function showBadge(page: PageState): void {
  const host = document.createElement("wingman-badge");
  // It repeats what a developer may want to know; to a person who listens to the app it is noise.
  host.ariaHidden = "true";
  const root = host.attachShadow({ mode: "closed" });
  // Not a <style>: the policy of the app may forbid it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  root.adoptedStyleSheets = [sheet];
  const box = document.createElement("div");
  root.append(box);

  let isOpen = false;
  const render = (): void => {
    box.className = page.state;
    box.textContent = isOpen ? headline(page) + details(page) : headline(page);
  };
  movable(box, () => {
    isOpen = !isOpen;
    render();
  });
  page.surface.addEventListener("change", render);
  render();

  let returns = 0;
  const attach = (): void => {
    if (!host.isConnected && returns++ < MAX_RETURNS) document.documentElement.append(host);
  };
  const begin = (): void => {
    attach();
    new MutationObserver(attach).observe(document.documentElement, { childList: true });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
}

function headline({ state, why, stats }: PageState): string {
  if (state === "connecting") return "Connecting";
  if (state === "relay") return why ? `Relay · ${why}` : "Relay";
  const ms = stats.roundTrip.direct;
  return ms === undefined ? "Direct" : `Direct · ${Math.ceil(ms)} ms`;
}

function details({ stats }: PageState): string {
  const line = (path: "direct" | "relay"): string => {
    const { sent, received } = stats.bytes[path];
    const kilobytes = Math.ceil((sent + received) / 1000);
    return `\n${path}: ${stats.exchanges[path]} requests, ${kilobytes} kB, ${Math.ceil(stats.roundTrip[path] ?? NaN)} ms`;
  };
  return `${line("direct")}${line("relay")}\nfallbacks: ${stats.fallbacks}`;
}

/** Drags `box` by pointer and remembers where it was put; a press without a move is a click. */
function movable(box: HTMLElement, onclick: () => void): void {
  const moveTo = (left: string, top: string): void => {
    // The window may be smaller the next time.
    Object.assign(box.style, { left: `clamp(0px,${left},100vw - 60px)`, top: `clamp(0px,${top},100vh - 28px)`, bottom: "auto" });
  };
  /** Where in the box it was taken. */
  let held: { x: number; y: number; place?: [string, string] } | undefined;
  const actions: Record<string, ((event: PointerEvent) => void) | undefined> = {
    pointerdown({ offsetX, offsetY, pointerId }) {
      held = { x: offsetX, y: offsetY };
      box.setPointerCapture(pointerId);
    },
    pointermove({ offsetX, offsetY, clientX, clientY }) {
      if (!held || (!held.place && Math.hypot(offsetX - held.x, offsetY - held.y) < SLACK)) return;
      held.place = [`${clientX - held.x}px`, `${clientY - held.y}px`];
      moveTo(...held.place);
    },
    pointerup() {
      if (!held?.place) onclick();
      else remember(held.place.join());
      held = undefined;
    },
    // The focus stays where it is.
    mousedown(event) {
      event.preventDefault();
    },
    mouseup: undefined,
    click: undefined,
  };
  for (const [type, act] of Object.entries(actions)) {
    box.addEventListener(type, (event) => {
      // The app's "click elsewhere" is not meant.
      event.stopPropagation();
      act?.(event as PointerEvent);
    });
  }
  const [left, top] = remember().split(",");
  if (left && top) moveTo(left, top);
}

/** Keeps `place`, or gives the one that was kept. */
function remember(place?: string): string {
  try {
    if (place) sessionStorage.setItem(PLACE_KEY, place);
    return sessionStorage.getItem(PLACE_KEY) ?? "";
  } catch {
    // The browser allows no storage.
    return "";
  }
}
