/** A connection that is kept alive is as new: nothing of the requests that it has carried stays on it or in memory. */
import assert from 'node:assert/strict'
import { getEventListeners, once, type EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'

import { createApp, type App } from 'unwind'

import { collectedUntil, usedHeap } from '../core/support/gc.ts'
import { keepAlive, type KeptAlive } from './support/kept-alive.ts'
import { kinds, type Handler, type Kind } from './support/kinds.ts'

/** Serves `kind`, and calls `act` with one connection to it. */
async function onOneConnection(
  kind: Kind,
  handler: Handler,
  act: (client: KeptAlive, app: App) => Promise<void>,
): Promise<void> {
  const app = createApp()
  const { server, stop } = await kind.open(app, handler, {})
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = keepAlive(kind, (server.address() as AddressInfo).port)
  try {
    await act(client, app)
  } finally {
    client[Symbol.dispose]()
    await stop()
    await app.close()
  }
}

/** One after the other. */
async function askTimes(client: KeptAlive, times: number): Promise<void> {
  for (let request = 0; request < times; request += 1) {
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    assert.equal(await client.get('/'), 'done')
  }
}

/**
 * Bytes by which each round of `act` made the heap grow, until one left it as it was: what is compiled in the meantime
 * makes it grow in some of them, what is kept for each request in all.
 */
async function growthsOfHeap(act: () => Promise<void>): Promise<number[]> {
  const growths: number[] = []
  await act()
  let before = await usedHeap()
  // oxlint-disable no-await-in-loop -- one after the other
  while (growths.length < 20 && !growths.some(isFlat)) {
    await act()
    const after = await usedHeap()
    growths.push(after - before)
    before = after
  }
  // oxlint-enable no-await-in-loop
  return growths
}

/** Less than 50 bytes for each of 200 requests. */
function isFlat(growth: number): boolean {
  return growth < 200 * 50
}

/** How many listeners each event has. */
function listenersOf(emitter: EventEmitter): string {
  const counts = emitter
    .eventNames()
    .map((name) => `${String(name)} ${emitter.listenerCount(name)}`)
  return counts.toSorted().join(', ')
}

/** The warnings of the process while `act` runs. */
async function warningsOf(act: () => Promise<void>): Promise<Error[]> {
  const warnings: Error[] = []
  const note = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', note)
  try {
    await act()
    // They are emitted in a later turn.
    await new Promise(setImmediate)
  } finally {
    process.off('warning', note)
  }
  return warnings
}

for (const kind of kinds) {
  describe(`200 requests on one connection of ${kind.name}`, { timeout: 60_000 }, () => {
    test('leave no listener behind, and nothing in memory', async () => {
      const onSocket: string[] = []
      const onResponse: string[] = []
      const scopes: WeakRef<object>[] = []
      const handler: Handler = async ({ scope, request, response }) => {
        onSocket.push(listenersOf(request.socket))
        onResponse.push(listenersOf(response))
        scopes.push(new WeakRef(scope), new WeakRef(response))
        scope.defer(() => {})
        return { body: 'done' }
      }
      const forget = (): void => {
        for (const seen of [onSocket, onResponse, scopes]) seen.length = 0
      }
      await onOneConnection(kind, handler, async (client) => {
        await askTimes(client, 10)
        const settled = [onSocket.at(-1), onResponse.at(-1)]
        forget()
        await askTimes(client, 200)
        assert.deepEqual(
          [new Set(onSocket), new Set(onResponse)],
          settled.map((one) => new Set([one])),
        )
        const alive = (): number => scopes.filter((scope) => scope.deref() !== undefined).length
        // The last request is that of its connection until the next one.
        const collected = await collectedUntil(() => alive() <= 4)
        assert.ok(collected, `${alive()} of ${scopes.length} scopes and responses are in memory`)
        const growths = await growthsOfHeap(async () => {
          await askTimes(client, 200)
          forget()
        })
        assert.ok(growths.some(isFlat), `the heap has grown by ${growths.join(', ')} bytes`)
      })
    })
  })
}

test('1,000 requests that listen to their signals warn of nothing, and end with no listener left', async () => {
  const [kind] = kinds
  assert(kind !== undefined)
  const handler: Handler = async ({ scope }) => {
    scope.signal.addEventListener('abort', () => {})
    scope.draining.addEventListener('abort', () => {})
    return { body: 'done' }
  }
  const warnings = await warningsOf(() =>
    onOneConnection(kind, handler, async (client, app) => {
      await askTimes(client, 1)
      const before = getEventListeners(app.signal, 'abort').length
      await askTimes(client, 999)
      assert.equal(getEventListeners(app.signal, 'abort').length, before)
      assert.deepEqual(app.inspect().children, [])
    }),
  )
  assert.deepEqual(warnings, [])
})
