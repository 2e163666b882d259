// What a test needs: an edge and hosts (or none, with DIRECT=1), origins, both browsers, deadlines.

export { browsers, launch } from "./lib/browser.mjs";
export { startDocuments } from "./lib/documents.mjs";
export { startFakeHost } from "./lib/fake-host.mjs";
export { Program, freePort } from "./lib/program.mjs";
export { binaries, direct, startRelay } from "./lib/relay.mjs";
export { hashOf, startBulkOrigin } from "./lib/bulk-origin.mjs";
export { family, gauges, peak, privateMemory, resources } from "./lib/resources.mjs";
export { startCookieOrigin } from "./lib/cookie-origin.mjs";
export { startFilm } from "./lib/film.mjs";
export { startExpressApp } from "./lib/express-app.mjs";
export { startCounter } from "./lib/counter.mjs";
export { startPrometheus } from "./lib/prometheus.mjs";
export { startRecorder } from "./lib/recorder.mjs";
export { startSocketIoApp } from "./lib/socketio-app.mjs";
export { startViteApp } from "./lib/vite-app.mjs";
export { sampleBytes, startSampleApp } from "./lib/sample-app.mjs";
export { launchWebkit, showInWebkit } from "./lib/webkit.mjs";
export { median, sleep, until, within } from "./lib/time.mjs";
