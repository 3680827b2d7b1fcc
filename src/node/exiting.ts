/**
 * A child process that has exited when it has been disposed. Node's own disposal only sends a signal.
 */
import type { ChildProcess } from 'node:child_process'
import { hold } from '../core/lease.ts'
import { checkOptions, expected, longestDelay, milliseconds } from '../core/options.ts'
import type { Held } from '../core/types.ts'
import { signalName } from './signals.ts'

/** Milliseconds for the system to end a killed process. */
const lastGrace = 5_000

/**
 * Disposing sends `signal`, then SIGKILL after `grace`, and waits for the exit. A child that has exited, or never
 * started, is left alone; children of the child are its own business. Where a program is missing, Node.js emits `error`,
 * which ends the process unless somebody listens, as `once(child.value, 'exit')` does.
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
  return hold(child, () => end(child, signal, grace), { name, disposeTimeout })
}

async function end(child: ChildProcess, signal: NodeJS.Signals, grace: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = exitOf(child)
  const timer = setTimeout(() => child.kill('SIGKILL'), grace)
  try {
    child.kill(signal)
    await exit
  } finally {
    clearTimeout(timer)
  }
}

/** A message that cannot be sent, or an abort, is an error of the child too, and it goes on all the same. */
function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let unheard: Error | undefined
    const failed = (error: NodeJS.ErrnoException): void => {
      // It cannot be signalled: waiting would be in vain.
      if (error.syscall === 'kill') reject(error)
      else if (child.listenerCount('error') === 1) unheard = error
    }
    child.on('error', failed)
    child.once('exit', () => {
      child.off('error', failed)
      if (unheard === undefined) resolve()
      else reject(unheard)
    })
  })
}
