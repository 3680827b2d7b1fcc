import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { describe, mock, test, type TestContext } from 'node:test'

import { createApp } from 'unwind'
import { listen } from 'unwind/http'

import { Events } from './support/events.ts'
import { Site } from './support/site.ts'

/** A site whose pictures are counted, on a clock that stands still. */
async function openCounted(t: TestContext): Promise<{ site: Site; pictures: () => number }> {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const app = createApp({ name: 'shop' })
  const inspected = mock.method(app, 'inspect')
  const site = await Site.open({}, app)
  return { site, pictures: () => inspected.mock.callCount() }
}

describe('the event stream', () => {
  test('sends a picture at once, and then one a second', async (t) => {
    const { site, pictures } = await openCounted(t)
    await using _ = site
    using events = await Events.open(site)
    const first = await events.next()
    assert.equal(first.app, 'shop')
    assert.equal(first.counts.scopes, 1)
    const child = site.app.child({ name: 'GET /' })
    t.mock.timers.tick(999)
    assert.equal(pictures(), 1)
    t.mock.timers.tick(1)
    const second = await events.next()
    assert.deepEqual(
      second.scopes.map(({ name }) => name),
      ['shop', 'GET /'],
    )
    await child.close()
    t.mock.timers.tick(1_000)
    assert.equal((await events.next()).counts.scopes, 1)
  })

  test('costs nothing while nobody looks, before and after', async (t) => {
    const { site, pictures } = await openCounted(t)
    await using _ = site
    t.mock.timers.tick(5_000)
    assert.equal(pictures(), 0)
    const events = await Events.open(site)
    await events.next()
    events[Symbol.dispose]()
    await events.gone
    t.mock.timers.tick(5_000)
    assert.equal(pictures(), 1)
  })

  test('is not to be compressed: what does that keeps back what it has', async () => {
    await using site = await Site.open()
    const response = await site.begin('/__unwind/events', { headers: await site.enter() })
    assert.equal(response.headers['cache-control'], 'no-store, no-transform')
    response.destroy()
  })

  test('draws one picture for all who look', async (t) => {
    const { site, pictures } = await openCounted(t)
    await using _ = site
    using one = await Events.open(site)
    using other = await Events.open(site)
    await Promise.all([one.next(), other.next()])
    const before = pictures()
    t.mock.timers.tick(1_000)
    assert.deepEqual(await one.next(), await other.next())
    assert.equal(pictures(), before + 1)
  })

  test('serves four at a time; a fifth is told so, and comes in when one has left', async () => {
    await using site = await Site.open()
    const all: Events[] = []
    for (let i = 0; i < 4; i += 1) all.push(await Events.open(site))
    const headers = await site.enter()
    const fifth = await site.ask('/__unwind/events', { headers })
    assert.equal(fifth.status, 503)
    assert.match(fifth.body, /4 pages are open already/)
    all[0]?.[Symbol.dispose]()
    await all[0]?.gone
    using late = await Events.open(site)
    assert.equal((await late.next()).app, 'shop')
    for (const events of all) events[Symbol.dispose]()
  })

  test('drops a client for whom more than a megabyte waits, and no other', async (t) => {
    const { site } = await openCounted(t)
    await using _ = site
    using reader = await Events.open(site)
    const { cookie } = await site.enter()
    const closed = dropped(site)
    const socket = connect(Number(new URL(site.base).port), '127.0.0.1')
    socket.pause()
    socket.write(
      `GET /__unwind/events HTTP/1.1\r\nHost: localhost:${new URL(site.base).port}\r\nCookie: ${cookie}\r\n\r\n`,
    )
    const response = await closed.begun
    // Long names in many scopes: the kernel holds some megabytes before anything waits.
    for (let i = 0; i < 500; i += 1) site.app.child({ name: 'x'.repeat(120) })
    let rounds = 0
    while (!response.destroyed && rounds < 1_000) {
      t.mock.timers.tick(1_000)
      assert.ok(response.writableLength < 2_500_000, `${response.writableLength} bytes wait`)
      await reader.next()
      rounds += 1
    }
    assert.ok(response.destroyed)
    t.mock.timers.tick(1_000)
    assert.equal((await reader.next()).app, 'shop')
    socket.destroy()
  })

  test('ends when the app drains, and does not keep its server from closing', async () => {
    const app = createApp({ name: 'shop' })
    await using site = await Site.open({}, app)
    using events = await Events.open(site)
    await events.next()
    const report = await app.shutdown()
    assert.equal(report.errors.length, 0)
    await events.ended
  })

  test('is refused while the app drains', async () => {
    const app = createApp({ name: 'shop' })
    await using site = await Site.open({}, app)
    const headers = await site.enter()
    await app.shutdown()
    const { status, body } = await site.ask('/__unwind/events', { headers })
    assert.equal(status, 503)
    assert.match(body, /shutting down/)
  })

  test('ends when the inspector is disposed', async () => {
    const site = await Site.open()
    using events = await Events.open(site)
    await events.next()
    await site.look[Symbol.asyncDispose]()
    await events.ended
    await site[Symbol.asyncDispose]()
  })

  test('lets a graceful server close', async () => {
    await using app = createApp()
    await using site = await Site.open({}, app)
    const { createServer } = await import('node:http')
    const server = createServer((request, response) => void site.look.handler(request, response))
    const listening = await listen(app, server, { port: 0, host: '127.0.0.1', linger: 0 })
    const { pathname, search } = new URL(site.look.url(listening.url))
    const entered = await fetch(listening.url + pathname + search, { redirect: 'manual' })
    const cookie = (entered.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const stream = await fetch(`${listening.url}/__unwind/events`, { headers: { cookie } })
    assert.equal(stream.status, 200)
    await Promise.all([app.shutdown(), listening[Symbol.asyncDispose]()])
    assert.match(await stream.text(), /^data: /m)
  })
})

/** The next response that the server begins. */
function dropped(site: Site): { begun: Promise<ServerResponse> } {
  const begun = once(site.server, 'request') as Promise<[IncomingMessage, ServerResponse]>
  return { begun: begun.then(([, response]) => response) }
}
