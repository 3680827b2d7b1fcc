/**
 * What is counted for each name of a resource: how many were released, and how long they were held. An addition or two
 * each time; the buckets are powers of two.
 */

/** Names that are counted apart. A program that makes up names shares one count among the rest of them. */
const names = 500

/** Bucket `i` counts times from 2^i up to 2^(i+1) microseconds; the first one begins at 0, the last one has no end. */
const buckets = 32

const usages = new Map<string, Usage>()

export class Usage {
  readonly name: string
  /** How many were released. What is held now is seen where it is held. */
  released = 0
  /** How many of the next acquisitions record where they were, because one leaked of which nobody knows. */
  stacks = 0
  /** How long they were held, counted by bucket. */
  readonly holds: Uint32Array = new Uint32Array(buckets)

  constructor(name: string) {
    this.name = name
  }

  /** One that was acquired and released at these times. */
  count(acquired: number, released: number): void {
    const bucket = bucketOf(released - acquired)
    this.released += 1
    // There are as many as `bucketOf` tells apart.
    this.holds[bucket] = (this.holds[bucket] as number) + 1
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
