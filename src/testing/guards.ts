/** Leak checks for one piece of code, in any test framework or in none. */
import { detectLeaks } from '../core/watching/detection.ts'
import { ignore } from '../core/dispose.ts'
import { checkFunction } from '../core/options.ts'
import { currentTest, knowsTests } from './current-test.ts'
import { latestNote, serialOf, testOf } from './noted.ts'
import { leakError, settledLeftovers } from './verdict.ts'

/**
 * Call `body`, wait for it, and reject with `ERR_LEAKED` if something that was acquired meanwhile is still held: a lease, a
 * scope, what is held in an app that was made in it. What it is about and where that was acquired is in the message. Where
 * `body` fails, its own error is what comes out.
 *
 * On Node.js 22, and outside of `node:test`, everything that the process acquires meanwhile counts.
 */
export async function assertNoLeaks<R>(body: () => R | PromiseLike<R>): Promise<R> {
  checkFunction('the argument of assertNoLeaks()', body)
  const guard = new Guard()
  let result: R
  try {
    result = await body()
  } catch (error) {
    guard.stop()
    throw error
  }
  await guard.verify()
  return result
}

/**
 * The same from here to the end of the block: disposing rejects with `ERR_LEAKED`. If the block fails too, its error is
 * the `suppressed` one of a `SuppressedError`, so that for whole tests `--import unwind/testing` reads better.
 *
 * @example
 * ```ts
 * await using _ = noLeaks()
 * ```
 */
export function noLeaks(): AsyncDisposable {
  const guard = new Guard()
  return { [Symbol.asyncDispose]: () => guard.verify() }
}

class Guard {
  readonly #detection: Disposable = detectLeaks({ level: 'full' })
  readonly #mark: number = latestNote()
  readonly #test: object | undefined = currentTest()
  #verified: Promise<void> | undefined = undefined

  /** Who disposes it once more waits, and is not told again: out of one block an error would come twice. */
  verify(): Promise<void> {
    if (this.#verified !== undefined) return this.#verified.catch(ignore)
    this.#verified = this.#verify()
    return this.#verified
  }

  stop(): void {
    this.#detection[Symbol.dispose]()
  }

  async #verify(): Promise<void> {
    const left = await settledLeftovers((note) => this.#isMine(note))
    this.stop()
    if (left.length > 0) throw leakError(left, 'at the end')
  }

  /** Acquired since, and not by another test that runs at the same time. */
  #isMine(note: object): boolean {
    return serialOf(note) > this.#mark && (!knowsTests || testOf(note) === this.#test)
  }
}
