/** Which timers exist, those that do not hold the process included. */
import { createHook } from 'node:async_hooks'

/** Counts the timers that were made after this call and are still set. */
export function watchTimers(): Disposable & { readonly alive: number } {
  const alive = new Set<number>()
  const hook = createHook({
    init: (id, type) => {
      if (type === 'Timeout' && !isShared()) alive.add(id)
    },
    destroy: (id) => alive.delete(id),
  }).enable()
  return {
    get alive() {
      return alive.size
    },
    [Symbol.dispose]: () => hook.disable(),
  }
}

/**
 * One timer for the whole process, which is not kept alive by it: the core's search for leaks, and Node's own clock for the
 * dates of its answers.
 */
function isShared(): boolean {
  return /watching\/sweeping\.[jt]s|utcDate/.test(new Error('where it is made').stack ?? '')
}
