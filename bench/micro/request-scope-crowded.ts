/**
 * What does a request scope cost in a program that has eight other AsyncLocalStorages, as tracers and loggers bring them?
 * Baseline: the hand-written `AsyncLocalStorage.run` with `try` and `finally`, among the same eight.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createApp } from 'unwind'
import type { Case, Suite } from '../harness.ts'
import { answered, Connection } from '../support/connection.ts'

const others = Array.from({ length: 8 }, () => new AsyncLocalStorage<number>())
const storage = new AsyncLocalStorage<{ readonly id: number }>()
const app = createApp({ name: 'bench' })
let requests = 0

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

function byHand(): Promise<number> {
  return storage.run({ id: ++requests }, async () => {
    const connection = new Connection()
    try {
      return connection.answer()
    } finally {
      await connection[Symbol.asyncDispose]()
    }
  })
}

function scoped(): Promise<number> {
  return app.run(async (scope) => scope.use(new Connection()).answer())
}
