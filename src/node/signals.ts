/**
 * The signals of this system, by name and number.
 */
import { constants } from 'node:os'
import type { Rule } from '../core/options.ts'

export const signalName: Rule = {
  expected: 'the name of a signal',
  accepts: isSignal,
}

export const handledSignals: Rule = {
  expected: 'an array with names of signals that can be handled',
  accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(isHandled),
}

/** What a shell reports for a process that was ended by this signal. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

function isSignal(value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(constants.signals, value)
}

function isHandled(value: unknown): boolean {
  return isSignal(value) && value !== 'SIGKILL' && value !== 'SIGSTOP'
}
