/** Waiting for what may come again, such as a connection that is quiet: those who wait go on at the next `open()`. */

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
