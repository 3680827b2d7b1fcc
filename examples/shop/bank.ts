/** Takes the money, between the writing of an order and its commit. What goes wrong in this shop goes wrong here. */
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'

/**
 * - `accepted`: the only one with which an order may ever be found in the books
 * - `broken`: charging it throws
 * - `silent`: the bank never answers, so such an order waits until its client leaves or its deadline passes
 */
export type Card = 'accepted' | 'broken' | 'silent'

export const cards: readonly Card[] = ['accepted', 'broken', 'silent']

export class CardReaderError extends Error {}

export async function charge(card: Card, signal: AbortSignal): Promise<void> {
  await setImmediate()
  if (card === 'broken') throw new CardReaderError('The card reader is out of order.')
  if (card === 'silent') await aborted(signal)
}

/** Rejects when `signal` aborts, and never resolves: an order that waits here cannot commit. */
async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason as unknown
}
