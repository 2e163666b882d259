/**
 * What the browser gives, as it was before any script of the app ran. Apps put their own in its place: Angular's zones take
 * our timers for unfinished work of the app, fake clocks stop them.
 *
 * Nobody imports this: `build.ts` has it stand for the globals of these names wherever the page script uses them.
 */

// eslint-disable-next-line @typescript-eslint/unbound-method -- browsers take none for the window.
export const { setTimeout, clearTimeout, setInterval, queueMicrotask, fetch, WebSocket, Date } = window;

const clock = { now: performance.now.bind(performance) };
export { clock as performance };
