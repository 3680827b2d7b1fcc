/**
 * What is counted for each name of a resource: how many were released, how long they were waited for and held, what
 * leaked. A few additions each time; the buckets are powers of two.
 */

/** Names that are counted apart. A program that makes up names shares one count among the rest of them. */
const names = 500

/** Bucket `i` counts times from 2^i up to 2^(i+1) microseconds; the first one begins at 0, the last one has no end. */
export const buckets = 32

const usages = new Map<string, Usage>()

export class Usage {
  readonly name: string
  /** How many were released. What is held now is seen where it is held. */
  released = 0
  leaked = 0
  /** How many of the next acquisitions record where they were, because one leaked of which nobody knows. */
  stacks = 0
  /** The buckets of the waits, and behind them those of the holds. */
  readonly #times = new Uint32Array(2 * buckets)

  constructor(name: string) {
    this.name = name
  }

  /** Counts by bucket. */
  get waits(): readonly number[] {
    return this.#counts(0)
  }

  get holds(): readonly number[] {
    return this.#counts(buckets)
  }

  /** One that was asked for, acquired and released at these times. */
  count(asked: number, acquired: number, released: number): void {
    this.released += 1
    this.#add(bucketOf(acquired - asked))
    this.#add(buckets + bucketOf(released - acquired))
  }

  #counts(from: number): readonly number[] {
    return this.released === 0 ? [] : [...this.#times.subarray(from, from + buckets)]
  }

  #add(at: number): void {
    // There are as many as `bucketOf` tells apart.
    this.#times[at] = (this.#times[at] as number) + 1
  }
}

export function usageOf(name: string): Usage {
  const known = usages.get(name)
  if (known !== undefined) return known
  const counted = usages.size < names ? name : 'others'
  const usage = usages.get(counted) ?? new Usage(counted)
  usages.set(counted, usage)
  return usage
}

/** Of this process, in the order in which their names were first heard of. */
export function allUsages(): Usage[] {
  return [...usages.values()]
}

function bucketOf(ms: number): number {
  return ms > 0 ? 31 - Math.clz32(Math.min(ms * 1_000, 0xffff_ffff) | 1) : 0
}
