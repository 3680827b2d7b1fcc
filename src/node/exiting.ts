/**
 * A child process that has exited when it has been disposed. Node's own disposal only sends a signal.
 */
import type { ChildProcess } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { hold } from '../core/lease.ts'
import { checkOptions, expected, longestDelay, milliseconds } from '../core/options.ts'
import type { Held } from '../core/types.ts'
import { signalName } from './signals.ts'

/** Milliseconds for the system to end a killed process. */
const lastGrace = 5_000

/**
 * Disposing sends `signal`, then SIGKILL after `grace`, and waits for the exit. A child that has exited, or never
 * started, is left alone; children of the child are its own business. An error of the child that nobody listened to until
 * then, as that of a missing program, is what disposing rejects with, instead of ending the process; whoever awaits
 * `once(child.value, 'spawn')` is told at once.
 *
 * @example
 * ```ts
 * const server = app.use(exiting(spawn('redis-server'), { grace: 1_000 }))
 * ```
 * @param options.grace milliseconds before SIGKILL. Default 5_000.
 * @param options.signal default SIGTERM
 * @throws {TypeError} for unknown or wrong options
 */
export function exiting(
  child: ChildProcess,
  options?: { grace?: number; signal?: NodeJS.Signals },
): Held<ChildProcess> {
  if (typeof child?.kill !== 'function') {
    throw expected('the first argument of exiting()', 'a child process', child)
  }
  checkOptions('exiting()', options, { grace: milliseconds, signal: signalName })
  const { grace = 5_000, signal = 'SIGTERM' } = options ?? {}
  const name = `the process ${child.pid} of ${child.spawnfile}`
  const disposeTimeout = Math.min(grace + lastGrace, longestDelay)
  const exit = new Exit(child)
  return hold(child, () => exit.run(signal, grace), { name, disposeTimeout })
}

class Exit {
  readonly #child: ChildProcess
  #unheard: Error | undefined = undefined
  #giveUp: ((error: Error) => void) | undefined = undefined

  constructor(child: ChildProcess) {
    this.#child = child
    // First, so that it sees who else listens: a listener for one time is gone when it has been called.
    child.prependListener('error', this.#failed)
  }

  async run(signal: NodeJS.Signals, grace: number): Promise<void> {
    const child = this.#child
    try {
      // It failed in this turn, and its event is still to come.
      if (child.pid === undefined) await nextTurn()
      else if (child.exitCode === null && child.signalCode === null) await this.#end(signal, grace)
    } finally {
      child.off('error', this.#failed)
    }
    if (this.#unheard !== undefined) throw this.#unheard
  }

  async #end(signal: NodeJS.Signals, grace: number): Promise<void> {
    const child = this.#child
    const exit = new Promise((resolve, reject) => {
      child.once('exit', resolve)
      this.#giveUp = reject
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), grace)
    try {
      child.kill(signal)
      await exit
    } finally {
      clearTimeout(timer)
    }
  }

  /** A message that cannot be sent, or an abort, is an error of the child too, and it goes on all the same. */
  readonly #failed = (error: NodeJS.ErrnoException): void => {
    // It cannot be signalled: waiting would be in vain.
    if (error.syscall === 'kill' && this.#giveUp !== undefined) this.#giveUp(error)
    else if (this.#child.listenerCount('error') === 1) this.#unheard ??= error
  }
}
