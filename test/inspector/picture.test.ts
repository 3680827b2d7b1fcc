import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'

import { createApp, detectLeaks, hold, resource, ScopeClosedError, type App } from 'unwind'
import { snapshot } from 'unwind/inspector'

import { collectedUntil } from '../core/support/gc.ts'
import type { Seen } from './support/events.ts'
import { Site } from './support/site.ts'

async function pictureOf(app: App): Promise<Seen & { readonly text: string }> {
  const look = await Site.open({}, app)
  const { body, status } = await look.ask('/__unwind/snapshot.json', {
    headers: await look.enter(),
  })
  await look.look[Symbol.asyncDispose]()
  look.server.close()
  assert.equal(status, 200)
  // What the server says is what the tests are about.
  return { ...(JSON.parse(body) as Seen), text: body }
}

interface Closed {
  readonly name: string
  readonly bars: readonly { readonly name: string }[]
}

async function closedOf(site: Site): Promise<readonly Closed[]> {
  const { body } = await site.ask('/__unwind/snapshot.json', { headers: await site.enter() })
  // What the server says is what the tests are about.
  return (JSON.parse(body) as { closed: Closed[] }).closed
}

const lock = resource({ name: 'lock', acquire: () => ({}), release() {} })
const lamp = resource({
  name: 'lamp',
  lifetime: 'app',
  acquire: () => ({}),
  release() {},
})

describe('the JSON twin', () => {
  test('names every open scope below the one that it was opened in, and what each holds', async () => {
    await using app = createApp({ name: 'shop' })
    await app.get(lamp)
    const request = app.child({ name: 'POST /orders' })
    await request.get(lock)
    const block = request.child({ name: 'block' })
    block.defer(function flush() {})
    app.child({ name: 'GET /' })
    const { scopes, held, counts } = await pictureOf(app)
    assert.deepEqual(
      scopes.map(({ name, depth }) => [name, depth]),
      [
        ['shop', 0],
        ['POST /orders', 1],
        ['block', 2],
        ['GET /', 1],
      ],
    )
    assert.deepEqual(held.map(({ resource: name, scope }) => `${name} in ${scope}`).toSorted(), [
      'flush in block',
      'lamp in shop',
      'lock in POST /orders',
    ])
    assert.deepEqual(counts, {
      scopes: 4,
      acquiring: 0,
      open: 3,
      releasing: 0,
      leaks: 0,
      certain: 0,
    })
  })

  test('tells what is being acquired, what is held and what is being released', async () => {
    await using app = createApp({ name: 'shop' })
    const gate = Promise.withResolvers<object>()
    const slow = resource({ name: 'slow', acquire: () => gate.promise })
    const stuck = resource({ name: 'stuck', acquire: () => ({}), release: () => gate.promise })
    const waiting = app.child({ name: 'waiting' })
    const asked = waiting.get(slow)
    const leaving = app.child({ name: 'leaving' })
    await leaving.get(lock)
    await leaving.get(stuck)
    const closing = leaving.close()
    const { text } = await pictureOf(app)
    const states = (JSON.parse(text) as { held: { resource: string; state: string }[] }).held
    assert.deepEqual(states.map(({ resource: name, state }) => `${name} ${state}`).toSorted(), [
      'lock open',
      'slow acquiring',
      'stuck releasing',
    ])
    gate.resolve({})
    await Promise.all([asked, closing])
  })

  test('tells what closed lately, newest first, with what was held there in the order of its release', async () => {
    await using site = await Site.open()
    await site.app.run({ name: 'full' }, (scope) => {
      for (let i = 0; i < 60; i += 1)
        scope.adopt(
          i,
          Object.defineProperty(() => {}, 'name', { value: `d${i}` }),
        )
    })
    for (let i = 0; i < 49; i += 1) {
      await site.app.run({ name: `request ${i}` }, async (scope) => {
        await scope.get(lock)
        await using _owned = hold({}, () => {}, { name: 'redis' })
      })
    }
    const rows = await closedOf(site)
    assert.equal(rows.length, 50)
    assert.deepEqual(
      [rows[0]?.name, rows[48]?.name, rows[49]?.name],
      ['request 48', 'request 0', 'full'],
    )
    assert.deepEqual(
      rows[0]?.bars.map(({ name }) => name),
      ['lock'],
    )
    // The last fifty of sixty releases, of which a row shows some.
    assert.deepEqual(rows[49]?.bars[0]?.name, 'd49')
    await site.app.run({ name: 'one more' }, () => {})
    const names = (await closedOf(site)).map(({ name }) => name)
    assert.deepEqual([names.length, names[0], names.includes('full')], [50, 'one more', false])
  })

  test('tells it of a hundred apps: what closed in the oldest is forgotten for the next', async () => {
    await using site = await Site.open()
    await site.app.run({ name: 'first' }, () => {})
    const apps = Array.from({ length: 100 }, () => createApp())
    for (const app of apps.slice(1)) await app.run(() => {})
    assert.equal((await closedOf(site)).length, 1)
    await apps[0]?.run(() => {})
    assert.deepEqual(await closedOf(site), [])
    await Promise.all(apps.map((app) => app.close()))
  })

  test('keeps nothing for ever of what was released after its scope had closed', async () => {
    await using site = await Site.open()
    const first: WeakRef<object>[] = []
    const onReleased = (message: unknown): void => {
      // What is published on this channel is an object.
      if (first.length === 0) first.push(new WeakRef(message as object))
    }
    subscribe('unwind:resource:released', onReleased)
    for (let i = 0; i <= 10_000; i += 1) {
      const scope = site.app.child()
      await scope.close()
      assert.throws(() => scope.adopt(i, () => {}), ScopeClosedError)
      await Promise.resolve()
    }
    unsubscribe('unwind:resource:released', onReleased)
    assert.equal(first.length, 1)
    assert.ok(await collectedUntil(() => first[0]?.deref() === undefined))
  })

  test('is what the page answers to whoever asks for JSON', async () => {
    await using site = await Site.open()
    const headers = { ...(await site.enter()), accept: 'application/json' }
    const { headers: sent, body } = await site.ask('/__unwind/', { headers })
    assert.match(sent['content-type'] ?? '', /^application\/json/)
    assert.equal((JSON.parse(body) as Seen).app, 'shop')
    const browser = { ...headers, accept: 'text/html,application/json' }
    assert.match((await site.ask('/__unwind/', { headers: browser })).body, /^<!doctype html>/)
  })

  test('has at most 500 scopes and 500 held, the oldest, and counts them all', async () => {
    await using app = createApp({ name: 'shop' })
    for (let i = 0; i < 600; i += 1) app.child({ name: `request ${i}` }).defer(() => {})
    const { scopes, held, counts } = await pictureOf(app)
    assert.equal(scopes.length, 500)
    assert.equal(held.length, 500)
    assert.equal(counts.scopes, 601)
    assert.equal(counts.open, 600)
    assert.deepEqual(
      scopes.map(({ name }) => name),
      ['shop', ...Array.from({ length: 499 }, (_, i) => `request ${i}`)],
    )
  })

  test('shows no password of a URL, no query of a path, and no name without an end', async () => {
    await using app = createApp({ name: 'shop' })
    const scope = app.child({ name: 'GET /login?to=http://verysecret:verysecret@host again' })
    app.child({ name: 'host=db password=verysecret' })
    app.child({ name: 'is this allowed?' })
    app.child({ name: 'mysql://user:p@verysecret@db/shop' })
    app.child({ name: 'job access_token=verysecret' })
    app.child({ name: 'Authorization: Bearer verysecret' })
    const url = resource({
      name: 'postgres://user:verysecret@db:5432/shop?password=verysecret',
      acquire: () => ({}),
      release() {},
    })
    await scope.get(url)
    app.child({ name: 'y'.repeat(100_000) })
    const { scopes, held, text } = await pictureOf(app)
    assert.doesNotMatch(text, /verysecret/)
    assert.equal(scopes[1]?.name, 'GET /login again')
    assert.equal(held[0]?.resource, 'postgres://db:5432/shop')
    assert.equal(scopes[2]?.name, 'host=db password=…')
    assert.equal(scopes[3]?.name, 'is this allowed?')
    assert.equal(scopes[4]?.name, 'mysql://db/shop')
    assert.equal(scopes[5]?.name, 'job access_token=…')
    assert.equal(scopes[6]?.name, 'Authorization: …')
    assert.equal(scopes[7]?.name.length, 120)
    assert.ok(text.length < 5_000)
  })
})

describe('snapshot()', () => {
  test('is the whole tree, with its time', async () => {
    await using app = createApp({ name: 'shop' })
    for (let i = 0; i < 600; i += 1) app.child()
    const before = Date.now()
    const { at, scopes, leaks } = snapshot(app)
    assert.ok(at >= before && at <= Date.now())
    assert.equal(scopes.name, 'shop')
    assert.equal(scopes.children.length, 600)
    assert.deepEqual(leaks, [])
  })

  test('wants an app', () => {
    // An argument that the types forbid.
    const loose = snapshot as (app: unknown) => unknown
    for (const wrong of [undefined, null, {}, createApp().child()]) {
      assert.throws(() => loose(wrong), /first argument of snapshot\(\) to be an app/)
    }
  })
})

// The last one: what has leaked is known of a process.
test('what is held outside of scopes is in the picture, with its place, and whether it leaked', async () => {
  await using app = createApp({ name: 'shop' })
  using _detection = detectLeaks({ level: 'full' })
  const left = await app.run({ name: 'orders' }, () => [hold({}, () => {}, { name: 'redis' })])
  await using _held = hold({}, () => {}, { name: 'mongo' })
  const { held, counts, text } = await pictureOf(app)
  assert.deepEqual(
    held.map(({ resource: name }) => name),
    ['redis', 'mongo'],
  )
  const rows = (JSON.parse(text) as { held: { suspected: boolean; site: string }[] }).held
  assert.deepEqual(
    rows.map(({ suspected }) => suspected),
    [true, false],
  )
  for (const { site } of rows) assert.match(site, /picture\.test/)
  assert.deepEqual([counts.leaks, counts.certain], [1, 1])
  await left[0]?.[Symbol.asyncDispose]()
  const after = (await pictureOf(app)).counts
  assert.deepEqual([after.leaks, after.certain], [0, 0])
})
