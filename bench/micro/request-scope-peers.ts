/**
 * What does a request scope cost beside the contexts and containers that people use?
 * Baseline: `AsyncLocalStorage.run` with `try` and `finally` around one resource that is released asynchronously.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createApp } from 'unwind'
import type { Suite } from '../harness.ts'
import { contexts } from '../peers/contexts.ts'
import { answered, Connection } from '../support/connection.ts'

const storage = new AsyncLocalStorage<{ readonly id: number }>()
const app = createApp({ name: 'bench' })
let requests = 0

export function open(): Suite {
  return {
    question: 'What does a request scope cost beside the contexts and containers that people use?',
    baseline: { name: 'als.run + try/finally', operation: byHand, check: answered },
    cases: [{ name: 'unwind: app.run + use', operation: scoped, check: answered }, ...contexts()],
    [Symbol.asyncDispose]: () => app.close(),
  }
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
