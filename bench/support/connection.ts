/**
 * The smallest thing that can be held: what is timed is everything around it. It counts, so that a way of holding it
 * that forgets a release, or releases too early, is not timed but reported.
 */
import assert from 'node:assert/strict'

let opened = 0
let released = 0

class Counted {
  #open = true

  constructor() {
    opened += 1
  }

  answer(): number {
    if (!this.#open) throw new Error('Used after its release.')
    return 42
  }

  end(): void {
    if (!this.#open) throw new Error('Released twice.')
    this.#open = false
    released += 1
  }
}

/** Released asynchronously. */
export class Connection extends Counted implements AsyncDisposable {
  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }
}

/** Released at once. */
export class Handle extends Counted implements Disposable {
  [Symbol.dispose](): void {
    this.end()
  }
}

/** The result of every case: the answer of what was held, with nothing left open. */
export function answered(result: unknown): void {
  assert.equal(result, 42)
  assert.equal(opened - released, 0, 'something is still open')
  assert.ok(opened > 0)
}
