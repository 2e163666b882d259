/** Where random tests get their decisions from: the same for the same seed. */

/** Gives 32 random bits. */
export type Random = () => number;

/** Mulberry32. */
export function seeded(seed: number): Random {
  let state = Math.imul(seed, 0x9e37_79b9) ^ 0x5eed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
}

/** A number below `bound`; 0 if that is 0. */
export const below = (random: Random, bound: number): number => random() % Math.max(bound, 1);

/** One of some. */
export const oneOf = <T>(random: Random, some: readonly [T, ...T[]]): T => some[below(random, some.length)] as T;

/** One of some, if there are any. */
export const anyOf = <T>(random: Random, some: readonly T[]): T | undefined => some[below(random, some.length)];

/** True once in `times`. */
export const onceIn = (random: Random, times: number): boolean => below(random, times) === 0;
