// A video element that plays and seeks through ranges on the direct path.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, startFilm, startRelay, until } from "./harness.mjs";
import { FILM_SECONDS } from "./lib/film.mjs";
import { isDirect, moved, watchPath } from "./lib/path.mjs";

describe("a film", () => {
  let relay, film, url;
  before(async () => {
    film = await startFilm();
    relay = await startRelay();
    ({ url } = await relay.share(film.port));
  });
  after(async () => {
    await relay?.stop();
    await film?.stop();
  });

  for (const name of browsers) {
    test(`plays and seeks in ${name}`, async (t) => {
      const browser = await launch(name);
      t.after(() => browser.close());
      const visitor = await browser.visitor();
      const page = await visitor.open(url, watchPath);
      await isDirect(page);
      film.ranges = [];

      const { direct, relay, fallbacks, result } = await moved(page, () =>
        page.evaluate(async (seconds) => {
          const film = document.getElementById("film");
          const happens = (type) =>
            new Promise((resolve, reject) => {
              film.addEventListener(type, resolve, { once: true });
              film.addEventListener("error", () => reject(new Error(film.error.message)), { once: true });
              setTimeout(reject, 20_000, new Error(`no ${type}`));
            });
          film.src = "/film.webm";
          await happens("loadedmetadata");
          const duration = film.duration;
          const places = [];
          for (const part of [0.9, 0.3, 0.7, 0.05]) {
            const seeked = happens("seeked");
            film.currentTime = part * seconds;
            await seeked;
            places.push(Math.round(film.currentTime - part * seconds));
          }
          const begin = film.currentTime;
          await film.play();
          while (film.currentTime < begin + 1) await happens("timeupdate");
          film.pause();
          const { totalVideoFrames } = film.getVideoPlaybackQuality();
          return { duration: Math.round(duration), places, frames: totalVideoFrames > 5, width: film.videoWidth };
        }, FILM_SECONDS),
      );
      assert.deepEqual(result, { duration: FILM_SECONDS, places: [0, 0, 0, 0], frames: true, width: 320 });
      const firsts = film.ranges.map((range) => Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1]));
      t.diagnostic(`${name}: ${direct} direct, film of ${film.length} bytes, asked from ${firsts.join(", ")}`);
      assert.ok(firsts.some((first) => first > 0.8 * film.length), "the end was asked for alone");
      assert.ok(firsts.filter((first) => first > 0).length >= 2, "seeking asked for more than one part");
      assert.equal(direct, film.ranges.length);
      assert.deepEqual({ relay, fallbacks }, { relay: 0, fallbacks: 0 });
      // A player ends requests that it does not need any more; Firefox says so of each that a worker answered.
      const known = /^request: |A ServiceWorker intercepted the request and encountered an unexpected error/;
      assert.deepEqual(visitor.problems.filter((problem) => !known.test(problem)), []);
    });
  }
});
