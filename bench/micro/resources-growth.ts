/**
 * Does a resource cost more among ten thousand than among a hundred?
 * Baseline: a hundred scopes with a hundred resources each. Case: one scope with as many.
 */
import { createApp } from 'unwind'
import { AsyncDisposableStack } from 'unwind/stack'
import type { Suite } from '../harness.ts'
import { answered } from '../support/connection.ts'
import { fill } from '../support/resources.ts'

const app = createApp({ name: 'bench' })

export function open(): Suite {
  return {
    question: 'Does a resource cost more among ten thousand than among a hundred?',
    baseline: { name: 'unwind: 100 scopes of 100', operation: hundreds, check: answered },
    cases: [
      {
        name: 'unwind: 1 scope of 10,000',
        operation: () => app.run((scope) => fill(scope, 10_000)),
        check: answered,
      },
      { name: 'unwind: 1 AsyncDisposableStack of 10,000', operation: stacked, check: answered },
    ],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

async function hundreds(): Promise<number> {
  let answer = 0
  for (let scopes = 0; scopes < 100; scopes += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as the other case
    answer = await app.run((scope) => fill(scope, 100))
  }
  return answer
}

async function stacked(): Promise<number> {
  const stack = new AsyncDisposableStack()
  try {
    return await fill(stack, 10_000)
  } finally {
    await stack.disposeAsync()
  }
}
