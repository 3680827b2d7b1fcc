/** Ctrl-C, told to whoever wants to know. The second one does not wait for anybody. */
import { once } from 'node:events'
import { constants } from 'node:os'

const names = ['SIGINT', 'SIGTERM'] as const

export class Interruption implements Disposable {
  readonly #controller = new AbortController()
  readonly #shell: NodeJS.Timeout | undefined = watchShell(() => this.#interrupt('SIGTERM'))
  /** What a shell expects of a program that a signal ended; 0 before. */
  exitCode = 0

  constructor() {
    for (const name of names) process.on(name, this.#interrupt)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Resolves when the first signal comes, or has come. */
  async wait(): Promise<void> {
    if (!this.signal.aborted) await once(this.signal, 'abort')
  }

  [Symbol.dispose](): void {
    clearInterval(this.#shell)
    for (const name of names) process.off(name, this.#interrupt)
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    clearInterval(this.#shell)
    this.exitCode = 128 + constants.signals[name]
    // oxlint-disable-next-line unicorn/no-process-exit -- somebody wants it to end now
    if (this.signal.aborted) process.exit(this.exitCode)
    this.#controller.abort()
  }
}

/** Whoever ends `npm start` with SIGTERM ends npm and the shell in which it runs its scripts, but not what that started. */
function watchShell(onEnd: () => void): NodeJS.Timeout | undefined {
  if (process.env['npm_lifecycle_event'] !== 'start') return undefined
  const { ppid } = process
  return setInterval(() => {
    if (process.ppid !== ppid) onEnd()
  }, 200).unref()
}
