/**
 * What does a request scope cost beside the contexts and containers that people use?
 * Baseline: `AsyncLocalStorage.run` with `try` and `finally` around one resource that is released asynchronously.
 */
import type { Suite } from '../harness.ts'
import { contexts } from '../peers/contexts.ts'
import { answered } from '../support/connection.ts'
import { app, byHand, scoped } from '../support/request.ts'

export function open(): Suite {
  return {
    question: 'What does a request scope cost beside the contexts and containers that people use?',
    baseline: { name: 'als.run + try/finally', operation: byHand, check: answered },
    cases: [{ name: 'unwind: app.run + use', operation: scoped, check: answered }, ...contexts()],
    [Symbol.asyncDispose]: () => app.close(),
  }
}
