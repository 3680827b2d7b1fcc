/** What must hold for whatever scopes do. Every breach is written down, with what it is about. */
import { tryCurrentScope, type Exit, type Outcome, type Scope } from 'unwind'
import { chain, ending } from './chain.ts'
import type { Ending } from './scope-plans.ts'
import { isSuppressed } from './suppressed.ts'
import { turns } from './turns.ts'

/** Something that a scope is to release. */
export interface Entry {
  readonly name: string
  readonly scope: Scope
  /** The resource, where all share one instance of it in its scope. */
  readonly shared: string | undefined
  /** When it was there, and when somebody had it: somewhere in between it was entered. */
  readonly made: number
  seen: number | undefined
  begun: number | undefined
  /** What its release was told, if it is told anything, and what it threw. */
  told: Told | undefined
  threw: Error | undefined
}

/** An exit, or what a generator saw thrown at its yield. */
export type Told = { readonly exit: Exit } | { readonly thrown: unknown }

interface Record {
  readonly releases: Entry[]
  running: Entry | undefined
  tasks: number
  /** Somebody else than its body decides how it ends, too. */
  meddled: boolean
  result: { readonly error: unknown } | 'fulfilled' | undefined
}

export class Ledger {
  readonly breaches: string[] = []
  readonly #entries: Entry[] = []
  readonly #records = new Map<Scope, Record>()
  readonly #errors: Error[] = []
  readonly #heard = new Set<unknown>()
  #clock = 0

  expect(holds: boolean, what: string): void {
    if (!holds) this.breaches.push(what)
  }

  /** An error that has to arrive somewhere. */
  error(name: string): Error {
    const error = new Error(`${name} ${this.#errors.length}`)
    this.#errors.push(error)
    return error
  }

  /** Somebody was told of `error`, and of all that is in it. */
  hear(error: unknown): void {
    if (!(error instanceof Error) || this.#heard.has(error)) return
    this.#heard.add(error)
    if (isSuppressed(error)) for (const part of [error.error, error.suppressed]) this.hear(part)
    if (error instanceof AggregateError) for (const part of error.errors) this.hear(part)
    this.hear(error.cause)
  }

  async heard(promise: Promise<unknown>): Promise<void> {
    try {
      await promise
    } catch (error) {
      this.hear(error)
    }
  }

  /** All of them, or the first failure once they have settled; the others are heard here. */
  async both(parts: readonly Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(parts)
    const failed = results.filter((result) => result.status === 'rejected')
    for (const { reason } of failed.slice(1)) this.hear(reason)
    if (failed[0] !== undefined) throw failed[0].reason
  }

  async ends(name: string, ending: Ending): Promise<void> {
    if (ending.startsWith('slow')) await turns(7)
    if (ending.endsWith('throws')) throw this.error(name)
  }

  of(scope: Scope): Record {
    const known = this.#records.get(scope)
    if (known !== undefined) return known
    const made = { releases: [], running: undefined, tasks: 0, meddled: false, result: undefined }
    this.#records.set(scope, made)
    return made
  }

  enter(kind: string, scope: Scope, isShared = false): Entry {
    const name = `${kind} ${this.#entries.length}`
    const unknown = { seen: undefined, begun: undefined, told: undefined, threw: undefined }
    const shared = isShared ? kind : undefined
    const entry = { name, scope, shared, made: ++this.#clock, ...unknown }
    this.#entries.push(entry)
    return entry
  }

  /** Somebody has it: from now on it must be released in its turn. */
  see(entry: Entry): void {
    // Another one may have closed the scope before its caller went on.
    if (entry.begun !== undefined) return
    entry.seen ??= ++this.#clock
    if (entry.shared === undefined) return
    const held = this.#entries.filter(
      ({ seen, begun }) => seen !== undefined && begun === undefined,
    )
    const same = held.filter(
      ({ scope, shared }) => scope === entry.scope && shared === entry.shared,
    )
    this.expect(same.length === 1, `${entry.name} is there ${same.length} times`)
  }

  begin(entry: Entry, told: Told | undefined): void {
    const { name, scope } = entry
    const { releases, running, tasks } = this.of(scope)
    this.expect(entry.begun === undefined, `${name} is released twice`)
    entry.begun = ++this.#clock
    entry.told = told
    this.expect(tryCurrentScope() === scope, `${name} is released in another scope's context`)
    releases.push(entry)
    if (entry.seen === undefined) return
    this.of(scope).running = entry
    this.expect(scope.state === 'closing', `${name} is released while its scope is ${scope.state}`)
    this.expect(running === undefined, `${name} is released during ${running?.name}`)
    this.expect(tasks === 0, `${name} is released while tasks run`)
    for (const [child] of this.#records) {
      const open = child.parent === scope && child.state !== 'closed'
      this.expect(!open, `${name} is released before the child ${child.id}`)
    }
  }

  end(entry: Entry, error?: Error): void {
    entry.threw = error
    const record = this.of(entry.scope)
    if (record.running === entry) record.running = undefined
  }

  /** Those that have run, and are not closed. */
  get parked(): Scope[] {
    const ran = [...this.#records].filter(([, { result }]) => result !== undefined)
    return ran.map(([scope]) => scope).filter(({ state }) => state !== 'closed')
  }

  /** Everything is over. */
  verify(): void {
    for (const entry of this.#entries) {
      this.expect(entry.begun !== undefined, `${entry.name} was never released`)
    }
    for (const error of this.#errors) {
      this.expect(this.#heard.has(error), `"${error.message}" arrived nowhere`)
    }
    for (const [scope, record] of this.#records) {
      this.expect(scope.state === 'closed', `${scope.id} is ${scope.state}`)
      this.#verifyOrder(record)
      this.#verifyOutcomes(record)
    }
  }

  #verifyOrder({ releases }: Record): void {
    for (const [at, first] of releases.entries()) {
      for (const second of releases.slice(at + 1)) {
        const wasThere = second.made > (first.seen ?? Infinity)
        const before = (second.seen ?? Infinity) < (first.begun ?? 0)
        this.expect(!(wasThere && before), `${first.name} is released before ${second.name}`)
      }
    }
  }

  /** Each release sees the outcome so far, and the last word is what came out. */
  #verifyOutcomes({ releases, result, meddled }: Record): void {
    let soFar: Outcome | undefined
    for (const { name, seen, told, threw } of releases) {
      // It may have come too late, which is no part of how the scope ends.
      if (seen === undefined) {
        if (threw !== undefined) soFar = undefined
      } else if (told !== undefined && 'exit' in told) {
        const { exit } = told
        if (soFar !== undefined) this.#same(ending(exit), ending(soFar), name)
        soFar = exit
      } else if (told !== undefined && soFar !== undefined) {
        this.#same(chain(told.thrown), thrownIn(soFar), name)
      }
      if (threw !== undefined && soFar !== undefined) soFar = after(soFar, threw)
    }
    if (soFar === undefined || result === undefined || meddled) return
    const failed = soFar.status === 'failure' ? chain(soFar.error) : 'nothing'
    if (soFar.status === 'aborted') return
    this.#same(result === 'fulfilled' ? 'nothing' : chain(result.error), failed, 'run')
  }

  #same(actual: string, expected: string, who: string): void {
    // A message of ours is no part of what is promised.
    const isOurs = expected === incomplete && actual.includes('without complete()')
    this.expect(actual === expected || isOurs, `${who} saw ${actual} after ${expected}`)
  }
}

const incomplete = 'incomplete'

function thrownIn(outcome: Outcome): string {
  if (outcome.status === 'failure') return chain(outcome.error)
  return outcome.status === 'aborted' ? chain(outcome.reason) : incomplete
}

function after(outcome: Outcome, error: Error): Outcome {
  const failed = 'error' in outcome
  const all = failed ? suppressing(error, outcome.error) : error
  return outcome.status === 'aborted'
    ? { ...outcome, error: all }
    : { status: 'failure', error: all }
}

function suppressing(error: unknown, suppressed: unknown): Error {
  return Object.assign(new Error('both'), { name: 'SuppressedError', error, suppressed })
}
