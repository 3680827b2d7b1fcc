/** What is open in a transaction, and what it owes its commit. Most transactions have nothing of it, and make none. */
import type { Scope } from '../core/types.ts'
import { Children } from './children.ts'
import { AfterCommit } from './commit.ts'
import type { Lapse } from './lapse.ts'
import type { Final } from './owner.ts'
import type { Session } from './session.ts'
import type { Transaction } from './transaction.ts'

export class Contents {
  /** One at a time. */
  savepoint: Transaction | undefined = undefined
  /** What ends before the transaction does. */
  readonly children: Children = new Children()
  /** For its commit, or for that of the transaction around it. */
  readonly callbacks: AfterCommit = new AfterCommit()

  /** Nothing of it is sent any more. */
  cut(scope: Scope | undefined): void {
    this.savepoint?.cut(scope)
    this.children.cut(scope)
  }

  /** The same, because a statement ended it. */
  lapse(end: Final, lapse: Lapse): void {
    this.savepoint?.lapse(end, lapse)
    this.children.cut(undefined)
  }

  /** It ends on the connection; nothing runs, and the line is held. */
  async leave(session: Session): Promise<void> {
    await this.savepoint?.leave(session)
    await this.children.leave(session)
  }

  /** @param outer what its callbacks run with instead */
  async committed(outer: AfterCommit | undefined): Promise<void> {
    if (outer === undefined) await this.callbacks.run()
    else this.callbacks.passOn(outer)
  }
}
