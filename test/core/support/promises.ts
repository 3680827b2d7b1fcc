/** Ways to look at a promise without hanging on it. */
// Not the global ones, which a test may have replaced: the bound is one of real time, and keeps the test alive.
import { clearTimeout, setTimeout } from 'node:timers'
import { setImmediate as turn } from 'node:timers/promises'

/** Resolves when everything that can go on without the outside world has gone on. */
export async function quiet(): Promise<void> {
  await turn()
  await turn()
}

/** What `promise` rejects with; fails the test if it fulfils. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await within(promise)
  } catch (error) {
    return error
  }
  throw new Error(`Expected a rejection, got the value ${String(value)}.`)
}

/** What `act` throws; fails the test if it returns. */
export function thrown(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('Expected an error to be thrown.')
}

/** `promise`, or a failure of the test instead of a hanging one. */
export async function within<T>(promise: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('Still pending after 30 s.')), 30_000)
  })
  try {
    return await Promise.race([promise, bound])
  } finally {
    clearTimeout(timer)
  }
}

/** Whether `promise` is still pending once everything that can go on has gone on. */
export async function isPending(promise: PromiseLike<unknown>): Promise<boolean> {
  let pending = true
  const settle = (): void => {
    pending = false
  }
  promise.then(settle, settle)
  await quiet()
  return pending
}
