/** The page in Chromium: what its reader does with it, and what it does for its reader. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'

import { createApp, type Scope } from 'unwind'
import { inspector } from 'unwind/inspector'

import { Events } from './support/events.ts'
import { Site } from './support/site.ts'
import { connection, newPage, until, visit } from './support/visit.ts'

describe('the page in Chromium, in use', { concurrency: 3 }, () => {
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
    // That it was acquired at a place that nobody knows is no text to look for.
    await looked.fill('undefined')
    assert.equal(await page.locator('#helds tr').count(), 0)
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
    const page = await newPage()
    await page.goto(site.look.url(site.base))
    await page.getByRole('status').getByText('4 pages are open already.').waitFor()
    others.pop()?.[Symbol.dispose]()
    await page.locator('body.live').waitFor()
    await page.context().close()
    for (const other of others) other[Symbol.dispose]()
  })

  test('says that the app shuts down', async () => {
    await using seen = await visit()
    const { page, site, complaints } = seen
    await site.app.shutdown()
    await page.getByRole('status').getByText('The app is shutting down.').waitFor()
    assert.ok(complaints.splice(0).every((complaint) => /503/.test(complaint)))
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
