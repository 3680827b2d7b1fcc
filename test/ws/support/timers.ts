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

/** The clock of the core and its search for leaks: one timer each, for the whole process, and kept alive by neither. */
function isShared(): boolean {
  return /core\/(?:deadline|sweeping)\.[jt]s/.test(new Error('where it is made').stack ?? '')
}
