/**
 * One of each of what every lease makes and drops, kept for ever, as the core does it for scopes: a pool at rest holds
 * none of them, and a full collection would take with their shapes all that was compiled for them
 * (docs/decisions/shapes-that-stay.md).
 */
import { ignore } from '../core/dispose.ts'
import { Kind, Ticket } from '../core/watching/held.ts'
import { Begin } from './begin.ts'
import { Commit } from './commit.ts'
import { outside } from './driver.ts'
import { Lease } from './lease.ts'
import { Statement } from './statement.ts'
import { Transaction } from './transaction.ts'
import { Waiter } from './waiter.ts'

let kept: readonly object[] | undefined

/** Outside of every request, which they would remember. */
export function keepShapes(): void {
  kept ??= outside(examples)
}

/** Nobody is given them. */
function examples(): object[] {
  // They store what they are given, and look at it only when they are used.
  const nothing = undefined as never
  const ticket = new Ticket(new Kind('example'))
  ticket.released()
  return [
    ticket,
    new Lease(nothing, nothing, undefined),
    new Statement('', undefined, true),
    new Transaction(nothing, nothing, nothing, undefined),
    new Begin(nothing, nothing),
    new Commit(nothing, nothing),
    new Waiter(ignore, ignore, undefined, ignore, undefined),
  ]
}
