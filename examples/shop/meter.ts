/**
 * Counts what the shop takes and gives back. It asks nobody to be honest: every count is made by a `defer` that is
 * older than what it counts, so it runs last and sees how the scope really ended, a failed commit included.
 */
import { resource, type Exit, type Outcome, type Resource, type Scope } from 'unwind'

export type Status = Outcome['status']

export class Count {
  acquired = 0
  released = 0
  /** Asked for, and given up before it came. */
  missed = 0
  readonly ended: Record<Status, number> = { success: 0, failure: 0, aborted: 0, unknown: 0 }

  get held(): number {
    return this.acquired - this.released
  }
}

export type Counted = 'requests' | 'sockets' | 'transactions' | 'visitors'

export const forCustomers: readonly Counted[] = ['requests', 'sockets', 'transactions']

export class Meter {
  readonly counts: Readonly<Record<Counted, Count>> = {
    requests: new Count(),
    sockets: new Count(),
    transactions: new Count(),
    visitors: new Count(),
  }
  readonly #expected = new Map<string, (status: Status) => void>()
  readonly #idle = new Set<() => void>()

  /** Count a scope: to be called first thing, before the scope holds anything. */
  track(scope: Scope, what: Counted): void {
    this.counts[what].acquired += 1
    scope.defer((exit) => this.#leave(what, exit))
  }

  /** The same resource, counted. */
  counted<T>(what: Counted, original: Resource<T>): Resource<T> {
    return resource({
      name: what,
      acquire: async ({ get, scope }) => {
        const count = this.counts[what]
        let held = false
        scope.defer((exit) => {
          if (held) this.#leave(what, exit)
          else count.missed += 1
        })
        const value = await get(original)
        held = true
        count.acquired += 1
        return value
      },
    })
  }

  /** How the server will have ended the order `id`. The traffic asks before it sends the order. */
  expect(id: string): Promise<Status> {
    const { promise, resolve } = Promise.withResolvers<Status>()
    this.#expected.set(id, resolve)
    return promise
  }

  /** The scope of the order `id` has closed. */
  ended(id: string, status: Status): void {
    this.#expected.get(id)?.(status)
    this.#expected.delete(id)
  }

  /** How much of `what` is held now; of everything, if nothing is named. */
  held(...what: Counted[]): number {
    const counts =
      what.length > 0 ? what.map((name) => this.counts[name]) : Object.values(this.counts)
    return counts.reduce((sum, { held }) => sum + held, 0)
  }

  /** Resolves once nothing is held for customers, or after `ms`. Visitors of the page come and go as they like. */
  async idle(ms: number): Promise<void> {
    if (this.held(...forCustomers) === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#idle.add(resolve)
    await promise
    clearTimeout(timer)
    this.#idle.delete(resolve)
  }

  #leave(what: Counted, exit: Exit): void {
    const count = this.counts[what]
    count.released += 1
    count.ended[exit.status] += 1
    if (this.held(...forCustomers) === 0) for (const resolve of this.#idle) resolve()
  }
}
