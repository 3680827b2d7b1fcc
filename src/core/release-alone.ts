/**
 * The release of one thing, outside of every scope's list: for what comes after its scope was unwound, or could not wait
 * for it, and for what no scope holds.
 */
import type { Completion } from './completion.ts'
import type { Finalizer, Unwindable } from './finalizers.ts'
import type { Scope } from './types.ts'
import { Unwinding } from './unwinding.ts'

type Host = Pick<Unwindable, 'scope' | 'disposeTimeout' | 'report'>

/** A list of one. What fails is reported; never rejects. */
export function releaseAlone(
  finalizer: Finalizer,
  host: Host,
  completion: Completion,
): Promise<void> {
  const unwinding = new Unwinding(new Alone(host), completion, true)
  unwinding.push(finalizer)
  return unwinding.close()
}

/** A list that was taken out of its scope's. What fails is reported; never rejects. */
export function releaseList(newest: Finalizer, host: Host, completion: Completion): Promise<void> {
  const unwinding = new Unwinding(new Alone(host), completion, true)
  unwinding.newest = newest
  return unwinding.close()
}

/** Whoever owns a list and has no other life. */
export class Alone implements Unwindable {
  readonly #host: Host

  constructor(host: Host) {
    this.#host = host
  }

  get scope(): Scope | undefined {
    return this.#host.scope
  }

  get disposeTimeout(): number {
    return this.#host.disposeTimeout
  }

  report(error: unknown, resource: string | undefined, late: boolean): void {
    this.#host.report(error, resource, late)
  }

  succeed(): boolean {
    return false
  }

  settle(): undefined {}
  drain(): undefined {}
  finish(): void {}
}
