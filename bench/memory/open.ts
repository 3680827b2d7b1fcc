/**
 * How many bytes does an open scope keep, with one resource in it? `node bench/memory/open.ts WAY COUNT`, started by
 * run.ts, which is sent the bytes of each.
 */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { createApp, type Scope } from 'unwind'
import { answered, Connection } from '../support/connection.ts'
import { heap } from './heap.ts'
import type { Way } from './run.ts'

/** Opens one more, that stays open until `end`; resolves when it has closed. */
type Open = (end: Promise<void>) => Promise<number>

const child = 'unwind: app.child + use'

const app = createApp({ name: 'bench' })
const storage = new AsyncLocalStorage<{ readonly id: number }>()

const bodiesThatWait: Readonly<Record<Exclude<Way, typeof child>, Open>> = {
  'no context: try/finally': byHand,
  'als.run + try/finally': (end) => storage.run({ id: 0 }, byHand, end),
  'unwind: app.run + use': (end) =>
    app.run(async (scope) => {
      const held = scope.use(new Connection())
      await end
      return held.answer()
    }),
}

async function byHand(end: Promise<void>): Promise<number> {
  const held = new Connection()
  try {
    await end
    return held.answer()
  } finally {
    await held[Symbol.asyncDispose]()
  }
}

const [way = '', count = '0'] = process.argv.slice(2)
const bytes = way === child ? await ofChildren() : await ofBodies()
await app.close()
process.send?.(bytes)
process.disconnect?.()

/** Scopes that wait in the middle of their body. */
async function ofBodies(): Promise<number> {
  // Given by run.ts, and not the one above.
  const open = bodiesThatWait[way as keyof typeof bodiesThatWait]
  await bodies(open, 1_000)
  return await bodies(open, Number(count))
}

async function bodies(open: Open, number: number): Promise<number> {
  const { promise: ending, resolve: end } = deferred()
  const all: Promise<number>[] = Array(number)
  const before = await heap()
  for (let made = 0; made < number; made += 1) all[made] = open(ending)
  const grown = (await heap()) - before
  end()
  const answers = await Promise.all(all)
  for (const answer of answers) assert.equal(answer, 42)
  answered(42)
  return grown / number
}

/** The scope alone, without a body that waits. */
async function ofChildren(): Promise<number> {
  await children(1_000)
  return await children(Number(count))
}

async function children(number: number): Promise<number> {
  const all: (Scope & AsyncDisposable)[] = Array(number)
  const before = await heap()
  for (let made = 0; made < number; made += 1) {
    const scope = app.child()
    scope.use(new Connection())
    all[made] = scope
  }
  const grown = (await heap()) - before
  await Promise.all(all.map((scope) => scope.close()))
  answered(42)
  return grown / number
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = Number
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}
