/**
 * Waiting for the abort of a signal, by one listener for however many wait: with each listener that is added or taken away,
 * the platform looks through all that the signal has.
 */
import { heed } from '../core/abort.ts'
import { ScopeNode } from '../core/scope.ts'

/** Whose abort ends a wait. A scope makes no signal for that. */
export type Abortable = AbortSignal | ScopeNode

/** Those who wait, by their signal. */
const waiting = new WeakMap<AbortSignal, Followers>()

/** Call `onAbort`, a function of its own, when `by` aborts, which it has not by now; call the result to call that off. */
export function follow(by: Abortable, onAbort: () => void): () => void {
  return by instanceof ScopeNode ? heed(by, onAbort) : followSignal(by, onAbort)
}

export function reasonOf(by: Abortable): unknown {
  return by instanceof ScopeNode ? by.signal.reason : by.reason
}

function followSignal(signal: AbortSignal, onAbort: () => void): () => void {
  const followers = waiting.get(signal) ?? new Followers(signal)
  followers.all.add(onAbort)
  return () => followers.leave(onAbort)
}

class Followers {
  readonly all: Set<() => void> = new Set()
  readonly #signal: AbortSignal
  readonly #tell = (): void => {
    for (const onAbort of this.all) onAbort()
  }

  constructor(signal: AbortSignal) {
    this.#signal = signal
    waiting.set(signal, this)
    signal.addEventListener('abort', this.#tell)
  }

  leave(onAbort: () => void): void {
    this.all.delete(onAbort)
    if (this.all.size > 0) return
    // A listener keeps some signals alive.
    waiting.delete(this.#signal)
    this.#signal.removeEventListener('abort', this.#tell)
  }
}
