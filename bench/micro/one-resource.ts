/**
 * What does it cost to hold one resource that is released asynchronously?
 * Baseline: `try` and `finally` with an `await`, the least that can be written. No context, no scope: only the release.
 */
import { createApp, hold } from 'unwind'
import { AsyncDisposableStack } from 'unwind/stack'
import type { Case, Suite } from '../harness.ts'
import { containers } from '../peers/containers.ts'
import { effects } from '../peers/effects.ts'
import { ponyfills } from '../peers/ponyfills.ts'
import { answered, Connection } from '../support/connection.ts'
import { throughBabel, throughEsbuild, throughTslib } from '../support/downlevel.ts'
import { nativeUsing } from '../support/native.ts'

interface Stack extends AsyncDisposable {
  use<T extends AsyncDisposable>(value: T): T
}

const app = createApp({ name: 'bench' })

export function open(): Suite {
  return {
    question: 'What does it cost to hold one resource that is released asynchronously?',
    baseline: { name: 'try/finally', operation: byHand, check: answered },
    cases: [
      ...nativeCases(),
      { name: 'await using, tslib', operation: throughTslib, check: answered },
      { name: 'await using, esbuild', operation: throughEsbuild, check: answered },
      { name: 'await using, Babel', operation: throughBabel, check: answered },
      {
        name: 'unwind: AsyncDisposableStack',
        operation: stacked(AsyncDisposableStack),
        check: answered,
      },
      ...Object.entries(ponyfills).map(([name, Stack]) => ({
        name,
        operation: stacked(Stack),
        check: answered,
      })),
      { name: 'unwind: hold', operation: held, check: answered },
      { name: 'unwind: app.run + use', operation: scoped, check: answered },
      ...effects(),
      ...containers(),
    ],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

async function byHand(): Promise<number> {
  const connection = new Connection()
  try {
    return connection.answer()
  } finally {
    await connection[Symbol.asyncDispose]()
  }
}

function nativeCases(): Case[] {
  if (nativeUsing === undefined) return []
  const { AsyncDisposableStack: Native } = globalThis as { AsyncDisposableStack?: new () => Stack }
  const using = {
    name: 'await using, native',
    operation: nativeUsing.holdNatively,
    check: answered,
  }
  if (Native === undefined) return [using]
  return [
    using,
    { name: 'AsyncDisposableStack, native', operation: stacked(Native), check: answered },
  ]
}

/** A function of its own for each class, or they would share what the engine learns. */
function stacked(Stack: new () => Stack): () => Promise<number> {
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see above
  const make = new Function(
    'Stack',
    'Connection',
    `return async function hold() {
      const stack = new Stack()
      try {
        return stack.use(new Connection()).answer()
      } finally {
        await stack[Symbol.asyncDispose]()
      }
    }`,
  ) as (stack: typeof Stack, connection: typeof Connection) => () => Promise<number>
  return make(Stack, Connection)
}

async function held(): Promise<number> {
  const handle = hold(new Connection(), (connection) => connection[Symbol.asyncDispose]())
  try {
    return handle.value.answer()
  } finally {
    await handle[Symbol.asyncDispose]()
  }
}

function scoped(): Promise<number> {
  return app.run(async (scope) => scope.use(new Connection()).answer())
}
