/** The connections of one pool that were seen so far, until their sockets are closed. */
import { within } from '../core/waiting.ts'
import type { DriverClient, DriverPool } from './driver.ts'
import type { Policy } from './policy.ts'
import { Session } from './session.ts'

/** Of all pools: the listeners of a session are added once in the life of its connection. */
const sessions = new WeakMap<DriverClient, Session>()

export class Sessions {
  readonly #pool: DriverPool
  readonly #open = new Map<DriverClient, Session>()

  constructor(pool: DriverPool) {
    this.#pool = pool
  }

  get size(): number {
    return this.#open.size
  }

  /** `undefined`: it is seen for the first time. */
  of(client: DriverClient): Session | undefined {
    return this.#open.get(client)
  }

  meet(client: DriverClient, policy: Policy): Session {
    const session = sessions.get(client) ?? new Session(client, this.#pool, policy)
    sessions.set(client, session)
    this.#open.set(client, session)
    void session.ended.then(() => this.#open.delete(client))
    return session
  }

  /** Resolves when all sockets are closed: after `grace` milliseconds they are destroyed. */
  async closed(grace: number): Promise<void> {
    const sockets = Array.from(this.#open.values(), ({ ended }) => ended)
    const closed = await within(grace, Promise.all(sockets))
    if (!closed) this.destroy(new Error('Its pool was disposed.'))
  }

  destroy(error: Error): void {
    for (const session of this.#open.values()) session.destroy(error)
  }
}
