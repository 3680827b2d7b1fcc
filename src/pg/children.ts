/** What is open on a lease or in a transaction, such as a cursor or a lock. It ends before its owner, newest first. */
import type { Scope } from '../core/types.ts'
import type { Session } from './session.ts'

export interface Child {
  /** Where it is kept. */
  home?: Children | undefined
  /** Whose it is, where that may be somebody around its owner. */
  readonly host?: object
  /**
   * Dead from now on, because its owner is released: nothing of it is sent any more.
   * @param scope the one that lent the owner, and closes
   */
  cut(scope: Scope | undefined): void
  /**
   * End on the connection what the end of the owner does not end by itself, or mark the session dirty. Nothing runs,
   * and the line is held: send with `session.direct`. Never rejects.
   */
  leave?(session: Session): Promise<void> | undefined
  /** A transaction of the owner is over, and the owner goes on. */
  transactionEnded?(): void
}

export class Children {
  readonly #open: Child[] = []
  /** Cut, and not yet left. */
  #leaving: Child[] = []

  add(child: Child): void {
    child.home = this
    this.#open.push(child)
  }

  /** It ended by itself. */
  remove(child: Child): void {
    const at = this.#open.lastIndexOf(child)
    if (at !== -1) this.#open.splice(at, 1)
  }

  /** Those of somebody around `owner`, which ends well, go on there. */
  passOn(owner: object, outer: Children): void {
    const others = this.#open.filter(({ host }) => host !== undefined && host !== owner)
    for (const child of others) {
      this.remove(child)
      outer.add(child)
    }
  }

  cut(scope: Scope | undefined): void {
    const leaving = this.#open.splice(0).toReversed()
    this.#leaving.push(...leaving)
    for (const child of leaving) child.cut(scope)
  }

  transactionEnded(): void {
    for (const child of [...this.#open]) child.transactionEnded?.()
  }

  /** Whether somebody still has something to do on the connection. */
  get pending(): boolean {
    return this.#leaving.some((child) => child.leave !== undefined)
  }

  some(test: (child: Child) => boolean): boolean {
    return this.#open.some(test)
  }

  get empty(): boolean {
    return this.#open.length === 0
  }

  /** While the owner goes on to its commit. */
  async close(session: Session, scope: Scope | undefined): Promise<void> {
    this.cut(scope)
    if (!this.pending) return
    await session.exclusively(async () => {
      await session.whenQuiet()
      await this.leave(session)
    })
  }

  async leave(session: Session): Promise<void> {
    for (const child of this.#leaving.splice(0)) {
      if (session.lost) return
      await child.leave?.(session)
    }
  }
}
