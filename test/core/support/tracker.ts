/**
 * Resources that write down what happens to them. A second release, a use after the release and a value that nobody
 * released fail the test, however deep inside a swallowed error that happened.
 */
import assert from 'node:assert/strict'
import {
  resource,
  type AcquireContext,
  type Exit,
  type Resource,
  type ResourceOptions,
} from 'unwind'
import { ending } from './chain.ts'

export interface Tracked {
  readonly name: string
  /** Counts from 1 for each name. */
  readonly serial: number
}

export interface TrackedOptions extends ResourceOptions {
  /** Before the value is there. */
  onAcquire?(context: AcquireContext): unknown
  /** While the value is still usable. */
  onRelease?(value: Tracked, exit: Exit): unknown
}

export class Tracker {
  /** `+name` and `-name` in the order in which they happened, and what tests add. */
  readonly events: string[] = []
  /** `name: outcome` for each release. */
  readonly exits: string[] = []
  readonly #held = new Set<Tracked>()
  readonly #serials = new Map<string, number>()
  readonly #faults: string[] = []

  acquire(name: string): Tracked {
    const serial = (this.#serials.get(name) ?? 0) + 1
    this.#serials.set(name, serial)
    const value = { name, serial }
    this.#held.add(value)
    this.events.push(`+${name}`)
    return value
  }

  release(value: Tracked, exit?: Exit): void {
    if (!this.#held.delete(value)) this.#faults.push(`${value.name} was released twice`)
    this.events.push(`-${value.name}`)
    if (exit !== undefined) this.exits.push(`${value.name}: ${ending(exit)}`)
  }

  /** @throws and fails the test if `value` is no longer held */
  use(value: Tracked | undefined): void {
    if (value !== undefined && this.#held.has(value)) return
    const fault = `${value?.name ?? 'nothing'} was used after its release`
    this.#faults.push(fault)
    throw new Error(fault)
  }

  /** What is held under this name. */
  find(name: string): Tracked[] {
    return [...this.#held].filter((value) => value.name === name)
  }

  /** How many of `name` were acquired. */
  count(name: string): number {
    return this.#serials.get(name) ?? 0
  }

  get held(): string[] {
    return [...this.#held].map(({ name }) => name)
  }

  resource(name: string, options: TrackedOptions = {}): Resource<Tracked> {
    const { onAcquire, onRelease, ...rest } = options
    return resource<Tracked>({
      name,
      ...rest,
      acquire: async (context) => {
        await onAcquire?.(context)
        return this.acquire(name)
      },
      release: async (value, exit) => {
        try {
          await onRelease?.(value, exit)
        } finally {
          this.release(value, exit)
        }
      },
    })
  }

  /** A disposable for `use`. */
  disposable(name: string): AsyncDisposable {
    const value = this.acquire(name)
    return {
      [Symbol.asyncDispose]: async () => {
        await Promise.resolve()
        this.release(value)
      },
    }
  }

  verify(): void {
    assert.deepEqual(this.#faults, [])
    assert.deepEqual(this.held, [], 'what is still held')
  }
}
