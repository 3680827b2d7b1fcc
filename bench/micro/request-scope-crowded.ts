/**
 * What does a request scope cost in a program that has eight other AsyncLocalStorages, as tracers and loggers bring them?
 * Baseline: the hand-written `AsyncLocalStorage.run` with `try` and `finally`, among the same eight.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Case, Suite } from '../harness.ts'
import { answered } from '../support/connection.ts'
import { app, byHand, scoped } from '../support/request.ts'

const others = Array.from({ length: 8 }, () => new AsyncLocalStorage<number>())

export function open(): Suite {
  return {
    question: 'What does a request scope cost among eight other AsyncLocalStorages?',
    baseline: crowded('als.run + try/finally', byHand),
    cases: [crowded('unwind: app.run + use', scoped)],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

function crowded(name: string, operation: () => Promise<number>): Case {
  return { name, operation, check: answered, within: amongOthers }
}

function amongOthers<R>(batch: () => R): R {
  let all = batch
  for (const [at, other] of others.entries()) {
    const inner = all
    all = () => other.run(at, inner)
  }
  return all()
}
