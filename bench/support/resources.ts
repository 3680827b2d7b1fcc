/** `count` resources that are released asynchronously, last in first out, in each of several ways. */
import { createApp } from 'unwind'
import { AsyncDisposableStack } from 'unwind/stack'
import type { Case, Suite } from '../harness.ts'
import { ponyfills } from '../peers/ponyfills.ts'
import { answered, Connection } from './connection.ts'

interface Stack extends AsyncDisposable {
  use<T extends AsyncDisposable>(value: T): T
}

/** Baseline: an array that is emptied from its end, with an `await` for each. */
export function resources(count: number): Suite {
  const app = createApp({ name: 'bench' })
  return {
    question: `What does it cost to hold ${count.toLocaleString('en')} resources that are released asynchronously?`,
    baseline: { name: 'by hand: an array', operation: () => byHand(count), check: answered },
    cases: [
      {
        name: 'unwind: app.run + use',
        operation: () => app.run((scope) => fill(scope, count)),
        check: answered,
      },
      {
        name: 'unwind: AsyncDisposableStack',
        operation: () => stacked(new AsyncDisposableStack(), count),
        check: answered,
      },
      ...nativeStack(count),
      ...ponyfillsFor(count),
    ],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

async function byHand(count: number): Promise<number> {
  const held: Connection[] = []
  try {
    for (let made = 0; made < count; made += 1) held.push(new Connection())
    return held[0]?.answer() ?? 0
  } finally {
    // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
    for (let last = held.pop(); last !== undefined; last = held.pop())
      await last[Symbol.asyncDispose]()
  }
}

/** Fills whatever holds with `count` connections. */
export async function fill(holder: Pick<Stack, 'use'>, count: number): Promise<number> {
  const first = holder.use(new Connection())
  for (let made = 1; made < count; made += 1) holder.use(new Connection())
  return first.answer()
}

async function stacked(stack: Stack, count: number): Promise<number> {
  try {
    return await fill(stack, count)
  } finally {
    await stack[Symbol.asyncDispose]()
  }
}

function nativeStack(count: number): Case[] {
  const { AsyncDisposableStack: Native } = globalThis as { AsyncDisposableStack?: new () => Stack }
  if (Native === undefined) return []
  return [
    {
      name: 'AsyncDisposableStack, native',
      operation: () => stacked(new Native(), count),
      check: answered,
    },
  ]
}

/** One of them takes time that grows with the square. */
function ponyfillsFor(count: number): Case[] {
  return Object.entries(ponyfills)
    .filter(([name]) => count <= 100 || !name.startsWith('disposablestack'))
    .map(([name, Stack]) => ({
      name,
      operation: () => stacked(new Stack(), count),
      check: answered,
    }))
}
