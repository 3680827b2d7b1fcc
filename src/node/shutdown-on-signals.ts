/**
 * The signals that end a service, as the beginning of its shutdown: the first one lets it finish, the second one does
 * not wait.
 */
import { warnUnthrown } from '../core/misuse.ts'
import { callable, checkApp, checkOptions, flag, milliseconds, type Rule } from '../core/options.ts'
import type { App, ShutdownReport } from '../core/types.ts'
import { exitCodeOf, handledSignals } from './signals.ts'

interface SignalOptions {
  /** Default SIGTERM and SIGINT. */
  signals?: readonly NodeJS.Signals[]
  /** Milliseconds in which everything is still accepted. Default 0. */
  lameDuck?: number
  /** Milliseconds for what runs to end by itself. Default 10_000. */
  grace?: number
  /** Milliseconds for what was aborted to end, before it is left behind. Default 1_000. */
  abortGrace?: number
  /** Is waited for. Default: what failed or was left behind becomes a process warning. */
  onReport?(report: ShutdownReport): unknown
  /**
   * Exit the process after the shutdown, and after that of other apps which signals have begun: with `process.exitCode`,
   * else with 1 where something failed or was left behind, else with 0. Default `true`.
   */
  exit?: boolean
}

const rules: Readonly<Record<keyof SignalOptions, Rule>> = {
  signals: handledSignals,
  lameDuck: milliseconds,
  grace: milliseconds,
  abortGrace: milliseconds,
  onReport: callable,
  exit: flag,
}

/**
 * SIGTERM and SIGINT shut the app down; a second one exits at once with 128 + its number. Disposing removes the
 * handlers, and does not stop a shutdown that has begun.
 *
 * @example
 * ```ts
 * const app = createApp()
 * shutdownOnSignals(app, { lameDuck: 5_000 })
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function shutdownOnSignals(app: App, options: SignalOptions = {}): Disposable {
  checkApp('shutdownOnSignals()', app)
  checkOptions('shutdownOnSignals()', options, rules)
  const { signals: named = ['SIGTERM', 'SIGINT'], ...rest } = options
  // Of one that is named twice, the first would be the second.
  const signals = new Set(named)
  let begun = false
  const onSignal = (signal: NodeJS.Signals): void => {
    if (begun) process.exit(exitCodeOf(signal))
    begun = true
    void shutDown(app, rest)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return {
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}

/** Those that signals have begun, of all apps. */
const shutdowns = { underWay: 0, clean: true, exit: false }

/** Never rejects: what fails is a warning and the exit code. */
async function shutDown(
  app: App,
  { onReport = warn, exit = true, ...graces }: Omit<SignalOptions, 'signals'>,
): Promise<void> {
  shutdowns.underWay += 1
  try {
    const report = await app.shutdown(graces)
    if (report.errors.length > 0 || report.stuck.length > 0) shutdowns.clean = false
    // Where nothing else goes on, a report that is never done with ends the process.
    if (exit && !shutdowns.clean) process.exitCode ??= 1
    await onReport(report)
  } catch (error) {
    shutdowns.clean = false
    warnUnthrown(error, 'the shutdown')
  }
  shutdowns.underWay -= 1
  shutdowns.exit ||= exit
  // Warnings are printed in the next turn.
  if (shutdowns.exit && shutdowns.underWay === 0) setImmediate(leave)
}

function leave(): void {
  process.exit(process.exitCode ?? (shutdowns.clean ? 0 : 1))
}

function warn({ errors, stuck }: ShutdownReport): void {
  for (const error of errors) warnUnthrown(error, 'the shutdown')
  for (const { id, name } of stuck) {
    const error = new Error(`The scope "${name}" (${id}) was still open.`)
    warnUnthrown(error, 'the shutdown')
  }
}
