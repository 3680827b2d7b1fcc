/** The page in Chromium: what it shows, of an app and of the whole process, and what it weighs. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { Pool } from 'pg'
import type { Page } from 'playwright-core'
import { createApp, detectLeaks, hold, resource } from 'unwind'
import { pgPool } from 'unwind/pg'

import { Site } from './support/site.ts'
import { connection, until, visit } from './support/visit.ts'

/** The texts of a row of a table. */
async function row(page: Page, table: string, name: string): Promise<string[]> {
  const found = page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: name })
  return found.locator('th,td').allInnerTexts()
}

describe('the page in Chromium', { concurrency: 3 }, () => {
  test('is there after one visit of the printed URL, whose token is gone from the address', async () => {
    await using seen = await visit()
    const { page, site } = seen
    assert.equal(page.url(), `${site.base}/__unwind/`)
    assert.equal(await page.title(), '0 held · shop')
    assert.equal(await page.locator('h1').innerText(), 'shop')
    assert.equal(await page.evaluate('document.cookie'), '')
    await page.reload()
    await page.locator('body.live').waitFor()
  })

  test('shows open scopes and what is held as tables with headers, oldest first', async () => {
    const app = createApp({ name: 'shop' })
    const request = app.child({ name: 'POST /orders' })
    await request.get(connection)
    const block = request.child({ name: 'block' })
    block.defer(function flush() {})
    app.child({ name: 'GET /', kind: 'request' }).abort()
    await using seen = await visit(app)
    const { page } = seen
    const scopes = page.getByRole('table', { name: 'Open scopes' })
    assert.deepEqual(await scopes.getByRole('rowheader').allInnerTexts(), [
      'shop',
      'POST /orders',
      'block',
      'GET /',
    ])
    assert.deepEqual((await row(page, 'Open scopes', 'GET /')).slice(0, 2), ['GET /', 'aborted'])
    const drawing = scopes.getByRole('row').filter({ hasText: 'POST /orders' }).getByRole('img')
    assert.equal(await drawing.getAttribute('aria-label'), 'holds connection')
    const [name, scope, state, age] = await row(page, 'Held now', 'connection')
    assert.deepEqual([name, scope, state], ['connection', 'POST /orders', 'held'])
    assert.match(age ?? '', /^\d+(?:\.\d)? (?:µs|ms|s)$/)
    for (const table of ['Open scopes', 'Held now']) {
      const headers = page.getByRole('table', { name: table }).getByRole('columnheader')
      for (const text of await headers.allTextContents()) assert.notEqual(text.trim(), '')
    }
  })

  test('follows: what is acquired, released and closed is seen without a reload', async () => {
    const app = createApp({ name: 'shop' })
    await using seen = await visit(app)
    const { page } = seen
    const gate = Promise.withResolvers<object>()
    const slow = resource({ name: 'slow', acquire: () => gate.promise, release() {} })
    const scope = app.child({ name: 'POST /orders' })
    const arriving = scope.get(slow)
    const held = page
      .getByRole('table', { name: 'Held now' })
      .getByRole('row')
      .filter({ hasText: 'slow' })
    await held.getByText('acquiring').waitFor()
    assert.equal(await page.locator('#waiting dd').first().innerText(), '1')
    gate.resolve({})
    await arriving
    await held.getByText('held', { exact: true }).waitFor()
    await until(async () => (await page.title()) === '1 held · shop')
    await scope.close()
    await held.waitFor({ state: 'detached' })
    await page.getByText('Nothing is held.').waitFor()
    await until(async () => (await page.title()) === '0 held · shop')
  })

  test('keeps the scopes that closed last, before somebody looked too, with their outcome and what they held', async () => {
    const app = createApp({ name: 'shop' })
    await using seen = await visit(app)
    const { page } = seen
    await page.close()
    await app.run({ name: 'GET /good' }, (scope) => scope.get(connection))
    await app.run({ name: 'GET /bad' }, () => Promise.reject(new Error('No.'))).catch(() => {})
    const left = app.child({ name: 'GET /left' })
    left.abort()
    await left.close().catch(() => {})
    await app.child({ name: 'GET /forgotten' }).close()
    const later = await page.context().newPage()
    await later.goto(`${seen.site.base}/__unwind/`)
    const closed = later.getByRole('table', { name: 'Closed last' }).locator('tbody tr')
    await closed.first().waitFor()
    assert.deepEqual(
      (await closed.allInnerTexts()).map((text) => text.split('\t').slice(0, 2).join(' ')),
      ['unknown GET /forgotten', 'aborted GET /left', 'failure GET /bad', 'success GET /good'],
    )
    const drawn = closed.last().getByRole('img')
    assert.match(
      (await drawn.getAttribute('aria-label')) ?? '',
      /^connection: waited [\d.]+ \S+, held [\d.]+ \S+, released in [\d.]+ \S+$/,
    )
    for (let i = 0; i < 60; i += 1) await app.run({ name: `GET /${i}` }, () => {})
    await closed.first().getByText('GET /59').waitFor()
    assert.equal(await closed.count(), 50)
  })

  test('says how long each kind of resource is held', async () => {
    const app = createApp({ name: 'shop' })
    const lamp = resource({ name: 'lamp of this test', acquire: () => ({}), release() {} })
    for (let i = 0; i < 20; i += 1) await app.run((scope) => scope.get(lamp))
    await using seen = await visit(app)
    const shown = seen.page.getByRole('listitem').filter({ hasText: 'lamp of this test' })
    assert.match(await shown.innerText(), /^lamp of this test\s+20 · [\d.]+ \S+ · [\d.]+ \S+$/)
    const words = await shown.getByRole('img').getAttribute('aria-label')
    assert.match(words ?? '', /^lamp of this test: half under [\d.]+ \S+, 99 % under [\d.]+ \S+$/)
    assert.match((await shown.locator('path').getAttribute('d')) ?? '', /^M[\d.]+ 30v-[\d.]+h/)
  })

  test('shows hostile names as the text that they are', async () => {
    const hostile = [
      '<img src=x onerror=alert(1)>',
      '<script>alert(2)</script>',
      '"><svg onload=alert(3)>',
      '\u202e\u0000{{7*7}}`${1}`',
    ]
    const app = createApp({ name: '<b>shop</b>' })
    for (const name of hostile) {
      const scope = app.child({ name })
      await scope.get(resource({ name: `in ${name}`, acquire: () => ({}), release() {} }))
    }
    await using seen = await visit(app)
    const { page } = seen
    page.on('dialog', () => seen.complaints.push('A name was run.'))
    assert.equal(await page.locator('h1').innerText(), '<b>shop</b>')
    assert.equal(await page.locator('main :is(img, script, b)').count(), 0)
    const names = await page.locator('#scopes th').allTextContents()
    assert.deepEqual(names.slice(1), hostile)
    const held = await page.locator('#helds th').allTextContents()
    assert.deepEqual(held.toSorted(), hostile.map((name) => `in ${name}`).toSorted())
  })

  test('could not run markup if it wanted to', async () => {
    await using seen = await visit()
    const { page, complaints } = seen
    const blocked = await page.evaluate(
      "try { document.body.innerHTML = '<p>'; 'written' } catch (error) { error.name }",
    )
    assert.equal(blocked, 'TypeError')
    assert.ok(complaints.length > 0)
    complaints.length = 0
  })
})

/** One after the other, and after the rest: every page of this process shows this. */
describe('what the page in Chromium shows of the whole process', () => {
  test('says which leak is where, once for each place, and tells a screen reader of a new one', async () => {
    using _detection = detectLeaks({ level: 'full' })
    const app = createApp({ name: 'shop' })
    await using seen = await visit(app)
    const { page } = seen
    const kept: AsyncDisposable[] = []
    const warned = once(process, 'warning')
    for (let i = 0; i < 3; i += 1) {
      await app.run({ name: 'POST /forget' }, () => {
        kept.push(hold({}, () => {}, { name: 'forgotten lamp' }))
      })
    }
    const [{ code }] = (await warned) as [NodeJS.ErrnoException]
    assert.equal(code, 'UNWIND_LEAK')
    const leaks = page
      .getByRole('table', { name: 'Leaks by site' })
      .locator('tbody tr')
      .filter({ hasText: 'forgotten lamp' })
    await leaks.getByText('3', { exact: true }).waitFor()
    const [name, why, , , site] = await leaks.locator('th,td').allInnerTexts()
    assert.deepEqual([name, why], ['forgotten lamp', 'outlived its scope'])
    assert.match(site ?? '', /page\.test\.[jt]s:\d+/)
    assert.doesNotMatch(site ?? '', /file:|node_modules/)
    await page.getByRole('status').getByText('Something leaks').waitFor({ state: 'attached' })
    const row = page
      .getByRole('table', { name: 'Held now' })
      .locator('tbody tr')
      .filter({ hasText: 'forgotten lamp' })
    assert.equal(await row.count(), 3)
    assert.equal(await row.first().locator('td').nth(1).innerText(), 'leak?')
    await page.locator('#leaked.some').getByText('3 certain, 0 suspected').waitFor()
    for (const held of kept) await held[Symbol.asyncDispose]()
    await row.first().waitFor({ state: 'detached' })
    // What came back is none any more.
    await page.locator('#leaked:not(.some)').getByText('detection: full').waitFor()
  })

  test('says how full a pool is, and how many wait for it', async () => {
    // A server that takes connections and says nothing.
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket))
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    // A server on TCP has such an address.
    const { port } = silent.address() as AddressInfo
    const raw = new Pool({
      host: '127.0.0.1',
      port,
      user: 'verysecret',
      password: 'verysecret',
      database: 'orders',
      max: 1,
      connectionTimeoutMillis: 60_000,
    })
    const pool = pgPool(raw)
    const abort = new AbortController()
    const waiting = [1, 2, 3].map(() => pool.acquire({ signal: abort.signal }))
    await using seen = await visit()
    const { page } = seen
    const full = page
      .getByRole('table', { name: 'Pools' })
      .getByRole('row')
      .filter({ hasText: `127.0.0.1:${port}` })
    await full.waitFor()
    const [name, leased, idle, queue] = await full.locator('th,td').allInnerTexts()
    assert.match(name ?? '', /^orders\s+127\.0\.0\.1:\d+$/)
    assert.deepEqual([leased, idle, queue], ['0/1', '0', '3'])
    assert.doesNotMatch(await page.content(), /verysecret/)
    abort.abort()
    await Promise.allSettled(waiting)
    await full.getByRole('cell', { name: '3' }).waitFor({ state: 'detached' })
    silent.close()
    for (const socket of sockets) socket.destroy()
    await pool[Symbol.asyncDispose]()
    await raw.end()
  })
})

test('the whole page is under 12 kB, compressed', async () => {
  await using site = await Site.open()
  const headers = await site.enter()
  const sizes = new Map<string, number>()
  const load = async (name: string): Promise<void> => {
    if (sizes.has(name)) return
    sizes.set(name, 0)
    const { status, body } = await site.ask(`/__unwind/${name}`, { headers })
    assert.equal(status, 200, name)
    sizes.set(name, gzipSync(body).length)
    const links = body.matchAll(
      /(?:from|import|src=|href=)\s*["'](?:\.\/)?([\w.-]+\.(?:js|css))["']/g,
    )
    for (const [, link = ''] of links) await load(link)
  }
  await load('')
  assert.ok(sizes.size > 3, [...sizes.keys()].join())
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  assert.ok(total < 12_000, `${total} bytes: ${JSON.stringify([...sizes])}`)
})
