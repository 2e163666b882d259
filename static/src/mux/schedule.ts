/** Whose turn it is to send. */

/** Bytes after which a direction of a stream counts as bulk. */
const BULK_AFTER = 64 * 1024;

/** Of this many turns in a row at most all but one go to short exchanges while bulk waits. */
const BULK_SHARE = 4;

/**
 * Two rounds: short exchanges first, bulk at least every {@link BULK_SHARE}th turn. Within a round each stream has one
 * turn before any has two. The owner keeps "is queued" with the stream (a stream is in at most one round, once) and
 * skips ids that have died since.
 */
export class Schedule {
  private short: number[] = [];
  private bulk: number[] = [];
  private shortTurns = 0;

  push(stream: number, transmitted: number): void {
    (transmitted < BULK_AFTER ? this.short : this.bulk).push(stream);
  }

  pop(): number | undefined {
    const bulkIsDue = this.shortTurns >= BULK_SHARE - 1;
    if (!this.short.length || (bulkIsDue && this.bulk.length)) {
      this.shortTurns = 0;
      return this.bulk.shift();
    }
    this.shortTurns = this.bulk.length ? this.shortTurns + 1 : 0;
    return this.short.shift();
  }

  /**
   * Gives a popped turn back, unused: the next {@link pop} is this one again, or bulk whose turns come when a message
   * is nearly full would starve.
   */
  unpop(stream: number, transmitted: number): void {
    if (transmitted < BULK_AFTER) {
      this.short.unshift(stream);
      this.shortTurns = Math.max(this.shortTurns - 1, 0);
    } else {
      this.bulk.unshift(stream);
      this.shortTurns = BULK_SHARE - 1;
    }
  }

  /** Forgets ids for which `alive` is false, so that a cancelled crowd leaves nothing behind. */
  retain(alive: (stream: number) => boolean): void {
    this.short = this.short.filter(alive);
    this.bulk = this.bulk.filter(alive);
  }

  get length(): number {
    return this.short.length + this.bulk.length;
  }
}
