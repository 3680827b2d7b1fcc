/**
 * The gate before a file's writer: one transaction at a time, first come first served, whichever `sqlite()` of this
 * process opened the file. It is held exactly as long as a transaction is open, so nobody's statement joins another's.
 */
import type { Scope } from '../core/types.ts'
import type { Connection } from './connection.ts'
import { Line } from './line.ts'

export class Gate {
  #held = false
  /** The scope that will give it back when it closes, where a scope holds it. */
  holder: Scope | undefined = undefined
  /** It is held for a backup, without a transaction. */
  paused = false
  /** By what the driver made: who was given the same one shares what is open on it, or was left. */
  readonly connections: WeakMap<object, Connection> = new WeakMap()
  readonly #line = new Line<void>()
  /** The scopes that wait for it, to hold it until they close. */
  readonly #next = new Set<Scope>()

  get held(): boolean {
    return this.#held
  }

  tryEnter(): boolean {
    if (this.#held) return false
    this.#held = true
    return true
  }

  /**
   * Resolves when it is the caller's turn.
   * @param holder the scope that will hold it from then on
   */
  async wait(owner: object, signal: AbortSignal | undefined, holder?: Scope): Promise<void> {
    if (holder !== undefined) this.#next.add(holder)
    try {
      await this.#line.wait(owner, signal)
      this.holder = holder
    } finally {
      if (holder !== undefined) this.#next.delete(holder)
    }
  }

  /** Which of `scope` and those around it holds it, or will before whoever asks now: until it closes. */
  holderAround(scope: Scope | undefined): Scope | undefined {
    let at = scope
    while (at !== undefined && at !== this.holder && !this.#next.has(at)) at = at.parent
    return at
  }

  leave(): void {
    this.holder = undefined
    this.paused = false
    this.#held = this.#line.serve(undefined)
  }

  dismiss(owner: object, error: unknown): void {
    this.#line.dismiss(owner, error)
  }
}

interface Shared {
  readonly gate: Gate
  users: number
}

const gates = new Map<unknown, Shared>()

/** @param file its real path; where there is none, the connection itself */
export function joinGate(file: unknown): { readonly gate: Gate; readonly leave: () => void } {
  const shared = gates.get(file) ?? { gate: new Gate(), users: 0 }
  gates.set(file, shared)
  shared.users += 1
  let joined = true
  const leave = (): void => {
    if (!joined) return
    joined = false
    shared.users -= 1
    if (shared.users === 0) gates.delete(file)
  }
  return { gate: shared.gate, leave }
}
