/**
 * One process for each way of serving, beside the baseline: a server has one, and where the same code serves in nine ways,
 * what the engine compiles for it fits none of them.
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would time each other
import { fork } from 'node:child_process'
import { once } from 'node:events'

import type { Price } from './slices.ts'

/** A price, and microseconds of the baseline beside which it was taken. */
export interface PriceApart extends Price {
  readonly base: number
}

/**
 * The price of each of `names`, of which the first is the baseline.
 * @param script calls `tell` where it is given `--only` and one of them
 * @throws where it fails
 */
export async function measureApart(
  script: string,
  given: readonly string[],
  names: readonly string[],
): Promise<PriceApart[]> {
  const prices: PriceApart[] = []
  for (const name of names) {
    const child = fork(script, [...given, '--only', name])
    child.on('message', (price: PriceApart) => prices.push(price))
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`"${name}" was not timed.`)
  }
  return prices
}

/** In such a process, whose baseline is the first of `prices` and whose own way is the last. */
export function tell(prices: readonly Price[]): void {
  const [baseline] = prices
  process.send?.({ ...prices.at(-1), base: baseline?.microseconds })
}
