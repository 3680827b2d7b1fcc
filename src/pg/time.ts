/** Waiting: with a bound, and for something that may come again. */

/**
 * Whether `promise` settled within `ms` milliseconds.
 * @throws what the promise rejects with
 */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  try {
    return await Promise.race([late, promise.then(inTime)])
  } finally {
    clearTimeout(timer)
  }
}

function inTime(): true {
  return true
}

/** Those who wait go on at the next `open()`. */
export class Gate {
  #promise: Promise<void> | undefined = undefined
  #resolve: (() => void) | undefined = undefined

  wait(): Promise<void> {
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve
    })
    return this.#promise
  }

  open(): void {
    this.#resolve?.()
    this.#promise = undefined
    this.#resolve = undefined
  }
}
