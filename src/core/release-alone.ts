/**
 * The release of one thing, outside of every list: for what comes after its scope was unwound, or could not wait for it.
 */
import type { Completion } from './completion.ts'
import { conclude, Unwinding, type Finalizer, type Host, type Unwindable } from './finalizers.ts'

/** A list of one. What fails is reported; never rejects. */
export async function releaseAlone(
  finalizer: Finalizer,
  host: Host,
  completion: Completion,
): Promise<void> {
  const unwinding = new Unwinding(host, completion, true)
  unwinding.push(finalizer)
  await releaseList(unwinding)
}

/** A list that left its scope before that ended. What fails is reported; never rejects. */
export async function releaseList(unwinding: Unwinding): Promise<void> {
  await conclude<Unwindable, void>(new Alone(unwinding), undefined)
}

class Alone implements Unwindable {
  readonly unwinding: Unwinding

  constructor(unwinding: Unwinding) {
    this.unwinding = unwinding
  }

  settle(): undefined {}
  drain(): undefined {}
  finish(): void {}
}
