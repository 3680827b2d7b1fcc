import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

import { Pool } from 'pg'
import type { Browser, Page } from 'playwright-core'
import { createApp, detectLeaks, hold, resource, type App, type Scope } from 'unwind'
import { inspector } from 'unwind/inspector'
import { pgPool } from 'unwind/pg'

import { launch } from '../support/chromium.ts'
import { Events } from './support/events.ts'
import { Site } from './support/site.ts'

const connection = resource({ name: 'connection', acquire: () => ({}), release() {} })

/** What a page said that it should not have. */
interface Visit extends AsyncDisposable {
  readonly site: Site
  readonly page: Page
  readonly complaints: string[]
}

/** Whatever the page evaluates later than at once, its policy forbids: what it shows is asked for again and again. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let left = 600; !(await holds()); left -= 1) {
    assert.ok(left > 0, 'This did not come true in half a minute.')
    await setTimeout(50)
  }
}

let browser: Browser

before(async () => {
  browser = await launch()
})
after(() => browser.close())

/** A page that looks at `app`. Whatever its console says, and whatever its policy blocks, fails the test. */
async function visit(
  app: App = createApp({ name: 'shop' }),
  look: object = {},
  open?: Site,
): Promise<Visit> {
  const site = open ?? (await Site.open({}, app))
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...look })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('requestfailed', (request) => {
    // The stream ends in the middle whenever nobody looks any more.
    if (!request.url().endsWith('/events')) complaints.push(`${request.url()} failed`)
  })
  await page.goto(site.look.url(site.base))
  await page.locator('body.live').waitFor()
  return {
    site,
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close()
      await site[Symbol.asyncDispose]()
      assert.deepEqual(complaints, [])
    },
  }
}

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

  test('keeps 500 scopes in their places: a second of age changes texts, and no element', async () => {
    const app = createApp({ name: 'shop' })
    const scopes: Scope[] = []
    for (let i = 0; i < 600; i += 1) {
      const scope = app.child({ name: `request ${i}` })
      await scope.get(connection)
      scopes.push(scope)
    }
    await using seen = await visit(app)
    const { page } = seen
    assert.equal(await page.locator('#scopes tr').count(), 500)
    assert.equal(await page.locator('#helds tr').count(), 500)
    assert.equal(await page.locator('#scopes-note').innerText(), 'the oldest 500 of 601')
    const changed = await page.evaluate(`new Promise((resolve) => {
      const ages = () => document.querySelector('#scopes td:nth-child(3)').textContent
      const before = ages()
      const moved = []
      new MutationObserver((records) => {
        for (const { addedNodes, removedNodes } of records)
          for (const node of [...addedNodes, ...removedNodes]) if (node.nodeType === 1) moved.push(node.outerHTML)
        if (ages() !== before) requestAnimationFrame(() => resolve(moved.length))
      }).observe(document.querySelector('#scopes'), { childList: true, subtree: true, characterData: true })
    })`)
    assert.equal(changed, 0)
    await page.evaluate(
      "document.querySelectorAll('#scopes tr').forEach((row, i) => (row.mark = i))",
    )
    await scopes[0]?.close()
    await page.getByRole('rowheader', { name: 'request 499', exact: true }).waitFor()
    const marks = await page.evaluate(
      "Array.from(document.querySelectorAll('#scopes tr'), (row) => row.mark ?? 'new')",
    )
    assert.deepEqual(marks, [0, ...Array.from({ length: 498 }, (_, i) => i + 2), 'new'])
  })

  test('shows only what is looked for, by scope and by resource', async () => {
    const app = createApp({ name: 'shop' })
    await app.child({ name: 'POST /orders' }).get(connection)
    app.child({ name: 'GET /stock' })
    await using seen = await visit(app)
    const { page } = seen
    const looked = page.getByRole('searchbox', { name: 'Show only' })
    await looked.fill('STOCK')
    assert.deepEqual(await page.locator('#scopes th').allInnerTexts(), ['GET /stock'])
    await page.getByText('Nothing matches.').waitFor()
    await looked.fill('connec')
    assert.deepEqual(await page.locator('#scopes th').allInnerTexts(), ['POST /orders'])
    assert.equal(await page.locator('#helds tr').count(), 1)
    await looked.fill('')
    assert.equal(await page.locator('#scopes tr').count(), 3)
  })

  test('stands still while it is paused, and asks for nothing', async () => {
    const app = createApp({ name: 'shop' })
    await using seen = await visit(app)
    const { page } = seen
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('status').getByText('Paused').waitFor()
    app.child({ name: 'GET /late' })
    assert.equal(await page.locator('#scopes tr').count(), 1)
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('rowheader', { name: 'GET /late' }).waitFor()
    await page.getByRole('status').getByText('Live').waitFor()
  })

  test('asks for nothing while it is hidden, and goes on when it is looked at again', async () => {
    const app = createApp({ name: 'shop' })
    const site = await Site.open({}, app)
    const streams: ServerResponse[] = []
    site.server.on('request', ({ url }, response) => {
      if (url?.endsWith('/events') === true) streams.push(response)
    })
    await using seen = await visit(app, {}, site)
    const { page } = seen
    const turn = (state: string): Promise<unknown> =>
      page.evaluate(`Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
    const [first] = streams
    assert.ok(first !== undefined && !first.destroyed)
    await turn('hidden')
    await until(() => Promise.resolve(first.destroyed))
    assert.equal(streams.length, 1)
    app.child({ name: 'GET /late' })
    await turn('visible')
    await page.getByRole('rowheader', { name: 'GET /late' }).waitFor()
    assert.equal(streams.length, 2)
  })

  test('says that four others look already, and comes in when one has left', async () => {
    await using site = await Site.open()
    const others: Events[] = []
    for (let i = 0; i < 4; i += 1) others.push(await Events.open(site))
    const page = await browser.newPage()
    await page.goto(site.look.url(site.base))
    await page.getByRole('status').getByText('Four pages are open already.').waitFor()
    others.pop()?.[Symbol.dispose]()
    await page.locator('body.live').waitFor()
    await page.context().close()
    for (const other of others) other[Symbol.dispose]()
  })

  test('says that the program was restarted, without a word of it before', async () => {
    await using seen = await visit()
    const { page, site, complaints } = seen
    await page.evaluate(`window.said = []
      new MutationObserver(() => said.push(document.querySelector('#status').textContent)).observe(
        document.querySelector('#status'), { childList: true, subtree: true, characterData: true })`)
    const ages = page.locator('#scopes td').nth(1)
    const before = await ages.innerText()
    await until(async () => (await ages.innerText()) !== before)
    assert.deepEqual(await page.evaluate('said'), [])
    const next = inspector(site.app)
    site.server.removeAllListeners('request')
    site.server.on('request', (request, response) => void next.handler(request, response))
    await site.look[Symbol.asyncDispose]()
    await page.getByRole('status').getByText('The program was restarted.').waitFor()
    await next[Symbol.asyncDispose]()
    // That it was turned away is what the browser itself remarks.
    assert.ok(complaints.splice(0).every((complaint) => /401|failed/.test(complaint)))
  })

  test('can be used with the keyboard alone', async () => {
    await using seen = await visit()
    const { page } = seen
    const focused = () =>
      page.evaluate(
        "document.activeElement.id || document.activeElement.className || document.activeElement.getAttribute('aria-labelledby')",
      )
    const stops: unknown[] = []
    for (let i = 0; i < 4; i += 1) {
      await page.keyboard.press('Tab')
      stops.push(await focused())
    }
    assert.deepEqual(stops, ['skip', 'filter', 'pause', 'scroll'])
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
    assert.equal(outline, 'solid')
    await page.locator('.skip').focus()
    await page.keyboard.press('Enter')
    assert.equal(await focused(), 'main')
  })

  test('follows the dark and the light of its reader, and moves nothing for those who ask for that', async () => {
    const colours: unknown[] = []
    for (const colorScheme of ['dark', 'light']) {
      await using seen = await visit(undefined, { colorScheme, reducedMotion: 'reduce' })
      colours.push(await seen.page.evaluate('getComputedStyle(document.body).backgroundColor'))
      const age = seen.page.locator('#scopes td').nth(1)
      const before = await age.innerText()
      await until(async () => (await age.innerText()) !== before)
      const moving = await seen.page.evaluate('document.getAnimations().length')
      assert.equal(moving, 0)
    }
    assert.deepEqual(colours, ['rgb(15, 16, 19)', 'rgb(245, 245, 242)'])
  })

  test('fits a narrow window', async () => {
    const app = createApp({ name: 'shop' })
    await app.child({ name: `POST /${'long/'.repeat(20)}` }).get(connection)
    await using seen = await visit(app, { viewport: { width: 360, height: 700 } })
    const over = await seen.page.evaluate('document.documentElement.scrollWidth - innerWidth')
    assert.equal(over, 0)
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
    for (const held of kept) await held[Symbol.asyncDispose]()
    await row.first().waitFor({ state: 'detached' })
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
