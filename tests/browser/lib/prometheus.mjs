// A real Prometheus with the configuration of conf/, on ports of its own and every second.

import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, freePort } from "./program.mjs";
import { sleep, until } from "./time.mjs";

const conf = join(import.meta.dirname, "../../../conf");

/** Scrapes an edge and a host, given by their metrics ports, and waits until it has found both. */
export async function startPrometheus({ edge, host }) {
  const prometheus = new Prometheus();
  await prometheus.start({ "127.0.0.1:9090": edge, "127.0.0.1:9091": host });
  return prometheus;
}

class Prometheus {
  #program;
  #directory;
  #url;

  async start(targets) {
    this.#directory = await mkdtemp(join(tmpdir(), "wingman-prometheus-"));
    let text = await readFile(join(conf, "prometheus/prometheus.yml"), "utf8");
    const replace = (from, to) => {
      if (text.split(from).length !== 2) throw new Error(`conf/prometheus/prometheus.yml does not have ${from} once`);
      text = text.replace(from, to);
    };
    replace("scrape_interval: 15s", "scrape_interval: 1s");
    for (const [address, port] of Object.entries(targets)) replace(`targets: ["${address}"]`, `targets: ["127.0.0.1:${port}"]`);
    const config = join(this.#directory, "prometheus.yml");
    await writeFile(config, text);
    await copyFile(join(conf, "prometheus/rules.yml"), join(this.#directory, "rules.yml"));
    const port = await freePort();
    this.#url = `http://127.0.0.1:${port}/api/v1`;
    const data = join(this.#directory, "data");
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=127.0.0.1:${port}`, "--log.level=warn"];
    this.#program = await Program.start("prometheus", args, {});
    try {
      await until(20_000, "both are scraped", async () => (await this.query("up")).every(({ value }) => value === 1) && (await this.value("count(up)")) === 2);
    } catch (error) {
      await this.stop();
      throw new Error(`${error.message}\n${this.#program.output}`);
    }
  }

  async stop() {
    await this.#program.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Part of its API. */
  async get(path, parameters = {}) {
    const response = await fetch(`${this.#url}/${path}?${new URLSearchParams(parameters)}`, { signal: AbortSignal.timeout(5_000) });
    const answer = await response.json();
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}: ${JSON.stringify(parameters)}`);
    return answer.data;
  }

  /** What an expression gives now: labels with values. */
  async query(expression) {
    const { result } = await this.get("query", { query: expression });
    return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  /** The one value that an expression gives; undefined if it gives none yet. */
  async value(expression) {
    const all = await this.query(expression);
    if (all.length > 1) throw new Error(`${expression} gives ${all.length} values`);
    return all[0]?.value;
  }

  /** Waits until an expression that compares gives something. */
  async holds(ms, expression) {
    try {
      await until(ms, expression, async () => {
        const [found] = await this.query(expression);
        if (!found) await sleep(250);
        return found;
      });
    } catch (error) {
      const names = [...new Set(expression.match(/wingman_\w+/g))];
      const seen = await Promise.all(names.map((name) => this.query(`${name} != 0`)));
      throw new Error(`${error.message}; there is ${JSON.stringify(seen.flat().map(({ labels: { __name__, instance, job, ...labels }, value }) => [__name__, labels, value]))}`);
    }
  }
}
