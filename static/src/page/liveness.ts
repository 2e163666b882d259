/**
 * Is the host still there? Time and signs of life in, a verdict out; no clock, no timers.
 *
 * 1. While exchanges run, silence of {@link SILENCE_MS} (or 4 round trips) is a question to the host; while
 *    none does, the idle period is.
 * 2. No sign of life for {@link ANSWER_MS} (or 4 round trips) after a question: down. At half of it the question
 *    is asked again on the other channels, for a lost packet holds up its own channel only.
 * 3. A slow origin is not down, for the host answers. Nor is one whose page slept: a timer that fires late (a
 *    throttled tab, a busy page, a laptop that was closed) asks once more before it judges.
 */
export type Verdict = "fine" | "ask" | "ask-all" | "down";

const SILENCE_MS = 300;
const ANSWER_MS = 400;
const IDLE_PERIOD_MS = 5_000;
/** Nothing waits for the answer to an idle question. */
const IDLE_ANSWER_MS = 2_000;
/** Until a round trip is known. */
const FIRST_ANSWER_MS = 1_000;
/** However long round trips are: nobody waits longer for the relay. */
const LONGEST_MS = 1_500;
const LATE_MS = 150;

type Question = { readonly asked: number; readonly times: 1 | 2; readonly again: boolean };

export class Liveness {
  /** Smoothed, milliseconds. */
  roundTrip: number | undefined;
  #heard: number;
  #busySince: number | undefined;
  #question: Question | undefined;

  constructor(now: number) {
    this.#heard = now;
  }

  /** When the last sign of life came. */
  get heard(): number {
    return this.#heard;
  }

  /** Anything that only a living host can cause. */
  onHeard(now: number): void {
    this.#heard = now;
    this.#question = undefined;
  }

  onRoundTrip(ms: number): void {
    this.roundTrip = this.roundTrip === undefined ? ms : this.roundTrip * 0.75 + ms * 0.25;
  }

  /** It was silent, and is back, perhaps by another network: what was measured before means nothing. */
  restart(): void {
    this.roundTrip = undefined;
  }

  /** Whether exchanges run. */
  setBusy(busy: boolean, now: number): void {
    if (!busy) this.#busySince = undefined;
    else this.#busySince ??= now;
  }

  /** The network may have changed: ask now. */
  ask(now: number): Verdict {
    this.#question = { asked: now, times: 1, again: false };
    return "ask";
  }

  /** When {@link handle} has something to do. */
  get due(): number {
    const question = this.#question;
    if (question === undefined) return this.#quiet + (this.#busySince === undefined ? IDLE_PERIOD_MS : this.#atLeast(SILENCE_MS));
    return this.#since(question) + this.#answerIn() / (question.times === 1 ? 2 : 1);
  }

  handle(now: number): Verdict {
    const due = this.due;
    if (now < due) return "fine";
    const question = this.#question;
    if (question === undefined) return this.ask(now);
    if (now > due + LATE_MS && !question.again) {
      this.#question = { asked: now, times: 1, again: true };
      return "ask";
    }
    if (question.times === 1) {
      this.#question = { ...question, times: 2 };
      return "ask-all";
    }
    return "down";
  }

  /** The silence that counts: of an exchange that has just begun nothing can have been heard yet. */
  get #quiet(): number {
    return Math.max(this.#heard, this.#busySince ?? 0);
  }

  #since(question: Question): number {
    return Math.max(question.asked, this.#busySince ?? 0);
  }

  #answerIn(): number {
    if (this.#busySince === undefined) return IDLE_ANSWER_MS;
    return this.#atLeast(this.roundTrip === undefined ? FIRST_ANSWER_MS : ANSWER_MS);
  }

  #atLeast(ms: number): number {
    return Math.max(ms, Math.min(4 * (this.roundTrip ?? 0), LONGEST_MS));
  }
}
