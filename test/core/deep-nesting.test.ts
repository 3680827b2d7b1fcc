/** Scopes within scopes, more of them than a stack is deep: nothing that goes through the tree may go by recursion. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createApp,
  input,
  resource,
  run,
  value,
  type App,
  type Resource,
  type Scope,
  type ScopeSnapshot,
} from 'unwind'
import { metrics } from 'unwind/otel'

import { Site } from '../inspector/support/site.ts'
import { openTelemetry } from '../otel/support.ts'
import { within } from './support/promises.ts'

const depth = 5_000

/** The outermost one and the innermost one. */
function nest(app: App): { readonly top: Scope; readonly leaf: Scope } {
  const top = app.child()
  let leaf = top
  for (let i = 1; i < depth; i += 1) leaf = leaf.child()
  return { top, leaf }
}

function count(snapshot: ScopeSnapshot): number {
  let scopes = 1
  for (let at = snapshot.children[0]; at !== undefined; at = at.children[0]) scopes += 1
  return scopes
}

test('inspect() shows all of them', async () => {
  await using app = createApp()
  const { top } = nest(app)
  assert.equal(count(top.inspect()), depth)
})

test('an abort reaches the innermost one, and so does the announcement of a shutdown', async () => {
  const reason = new Error('aborted')
  await using app = createApp()
  const { top, leaf } = nest(app)
  const { signal } = leaf
  top.abort(reason)
  assert.equal(signal.reason, reason)
  const other = createApp()
  const { draining } = nest(other).leaf
  const report = await within(other.shutdown({ grace: 0, abortGrace: 0 }))
  assert.equal(draining.aborted, true)
  assert.deepEqual(report.errors, [])
})

test('the innermost one has the deadline of the outermost one', async () => {
  await using app = createApp()
  const top = app.child({ timeout: 60_000 })
  let leaf = top
  for (let i = 1; i < 3 * depth; i += 1) leaf = leaf.child()
  assert.equal(leaf.deadline, top.deadline)
  leaf.child({ timeout: 120_000 })
})

test('the innermost one reads what the outermost one was provided with', async () => {
  await using app = createApp()
  const tenant = input<string>('tenant')
  const top = app.child()
  top.provide(tenant, 'ours')
  let leaf = top
  for (let i = 1; i < 3 * depth; i += 1) leaf = leaf.child()
  assert.equal(await leaf.get(tenant), 'ours')
})

test('they close from the inside out, whoever closes the outermost one', async () => {
  for (const end of ['close', 'app'] as const) {
    const app = createApp()
    const { top, leaf } = nest(app)
    const order: string[] = []
    top.defer(() => order.push('top'))
    leaf.defer(() => order.push('leaf'))
    await within(end === 'app' ? app.close() : top.close())
    assert.deepEqual(order, ['leaf', 'top'])
    await app.close()
  }
})

test('closing them costs each the same: nothing goes from each of them up to the outermost one', async () => {
  await using app = createApp()
  const top = app.child()
  const outer = top.child()
  let looks = 0
  Object.defineProperty(outer, 'parent', {
    get: () => {
      looks += 1
      return top
    },
  })
  let leaf = outer
  for (let i = 0; i < depth; i += 1) leaf = leaf.child()
  looks = 0
  await within(top.close())
  assert.ok(looks < 10, `${looks} looks at a parent`)
})

test('whoever looks at an app sees them', async (t) => {
  await using site = await Site.open()
  const sdk = openTelemetry(t)
  using _metrics = metrics(site.app, sdk.meter)
  nest(site.app)
  const headers = await site.enter()
  const { body } = await site.ask('/__unwind/snapshot.json', { headers })
  const { counts } = JSON.parse(body) as { counts: { scopes: number } }
  assert.equal(counts.scopes, depth + 1)
  const collected = await sdk.collect()
  assert.equal(collected.sum('unwind.scope.open', { 'unwind.scope.kind': 'scope' }), depth - 1)
})

test('a chain of resources, each of which needs the next, is acquired, and released in reverse', async () => {
  const released: number[] = []
  let needed: Resource<unknown> = value(undefined)
  for (let i = 0; i < depth; i += 1) {
    const next = needed
    needed = resource({
      acquire: ({ get }) => get(next).then(() => i),
      release: (at: unknown) => void released.push(Number(at)),
    })
  }
  const last = needed
  assert.equal(await run((scope) => scope.get(last)), depth - 1)
  assert.deepEqual(
    released,
    Array.from({ length: depth }, (_, at) => depth - 1 - at),
  )
})
