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
  let followers = waiting.get(signal)
  if (followers === undefined) waiting.set(signal, (followers = new Followers(signal)))
  return followers.join(onAbort)
}

class Followers {
  readonly #signal: AbortSignal
  readonly #all = new Set<() => void>()
  readonly #tell = (): void => {
    for (const onAbort of this.#all) onAbort()
  }

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  join(onAbort: () => void): () => void {
    if (this.#all.size === 0) this.#signal.addEventListener('abort', this.#tell)
    this.#all.add(onAbort)
    return () => this.#leave(onAbort)
  }

  #leave(onAbort: () => void): void {
    this.#all.delete(onAbort)
    // A listener keeps some signals alive.
    if (this.#all.size === 0) this.#signal.removeEventListener('abort', this.#tell)
  }
}
