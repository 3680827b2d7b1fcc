/** The errors of the table of combinations, and disposers that throw them. */
import type { Exit, Scope } from 'unwind'
import { ending } from './chain.ts'

export const [A, B, R, T] = ['A', 'B', 'R', 'T'].map((name) => new Error(name)) as [
  Error,
  Error,
  Error,
  Error,
]
export const never = new Promise<never>(() => {})

/** Writes down what it sees, and then throws what it was given. */
export function watch(seen: string[], name: string, failure?: Error): (exit: Exit) => void {
  return (exit) => {
    seen.push(`${name}: ${ending(exit)}`)
    if (failure !== undefined) throw failure
  }
}

/** A scope with three disposers, of which 1 is innermost and runs first. */
export function three(seen: string[], failures: (Error | undefined)[] = []) {
  return (scope: Scope): void => {
    for (const number of [3, 2, 1]) {
      scope.defer(watch(seen, `D${number}`, failures[number - 1]))
    }
  }
}

export const [D1, D2] = [new Error('D1'), new Error('D2')]
