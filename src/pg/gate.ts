/** Waiting for something that may come again: those who wait go on at the next `open()`. */

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
