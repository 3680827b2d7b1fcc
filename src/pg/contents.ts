/** What is open in a transaction, and what it owes its commit. Most transactions have nothing of it, and make none. */
import type { Scope } from '../core/types.ts'
import type { Callback } from './commit.ts'
import type { Cursor } from './cursor.ts'
import type { Lapse } from './lapse.ts'
import type { Final } from './owner.ts'
import type { Transaction } from './transaction.ts'

export class Contents {
  /** That of a part which has joined it, from its abort to the end of that part: nothing is sent meanwhile. */
  stopped: AbortSignal | undefined = undefined
  /** One at a time. */
  savepoint: Transaction | undefined = undefined
  /** They end with it, on the server by themselves. */
  readonly cursors: Set<Cursor<unknown>> = new Set()
  /** For its commit, or for that of the transaction around it. */
  readonly callbacks: Callback[] = []

  /** Nothing of it is sent any more. */
  cut(scope: Scope | undefined): void {
    this.savepoint?.cut(scope)
    for (const cursor of this.cursors) cursor.cut()
  }

  /** The same, because a statement ended it. */
  lapse(end: Final, lapse: Lapse): void {
    this.savepoint?.lapse(end, lapse)
    for (const cursor of this.cursors) cursor.cut()
  }

  /** Before the commit of `owner`: its cursors end, but for those of somebody around it, who reads on. */
  close(owner: Transaction): void {
    for (const cursor of this.cursors) {
      if (owner.parent === undefined || cursor.host === owner) cursor.cut()
    }
  }

  /** The savepoint has ended. What was open in it, and what it owed, is of the transaction around it where it was released. */
  leaveSavepoint(): void {
    const { savepoint } = this
    this.savepoint = undefined
    if (savepoint?.state !== 'committed') return
    const { cursors, callbacks } = savepoint.contents
    for (const cursor of cursors) cursor.join(this.cursors)
    for (const callback of callbacks) this.callbacks.push(callback)
  }
}
