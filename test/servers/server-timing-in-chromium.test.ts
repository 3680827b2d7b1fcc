import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { createApp, resource } from 'unwind'
import { handle, listen } from 'unwind/http'

import { launch } from '../support/chromium.ts'

interface Entry {
  readonly name: string
  readonly duration: number
}

/** What the Network panel of the browser has of the answer to `path`. */
const timingOf = (path: string): string => `
  performance.getEntriesByName(new URL(${JSON.stringify(path)}, location.href).href)
    .flatMap(({ serverTiming }) => Array.from(serverTiming, ({ name, duration }) => ({ name, duration })))`

test('Chromium has what a request waited for and held, resource by resource, whatever their names', async () => {
  await using app = createApp({ name: 'shop' })
  const connection = resource({ name: 'connection', acquire: () => sleep(20, {}), release() {} })
  const hostile = resource({
    name: 'a "lock", on=stock;dur=9\r\nSet-Cookie: x=1 é',
    acquire: () => ({}),
    release: () => sleep(10),
  })
  const timed = handle(
    app,
    async (_request, response, scope) => {
      await scope.get(connection)
      await scope.get(hostile)
      response.setHeader('Content-Type', 'text/html')
      return '<!doctype html><title>shop</title>'
    },
    { serverTiming: true },
  )
  const silent = handle(app, async (_request, _response, scope) => {
    await scope.get(connection)
    return 'nothing to tell'
  })
  const server = createServer((request, response) =>
    (request.url === '/silent' ? silent : timed)(request, response),
  )
  await using site = await listen(app, server, { port: 0, host: '127.0.0.1', linger: 0 })
  const browser = await launch()
  try {
    const page = await browser.newPage()
    await page.goto(`${site.url}/`)
    await page.evaluate(
      "Promise.all(['/api', '/silent'].map((path) => fetch(path).then((answer) => answer.text())))",
    )
    for (const path of ['/', '/api']) {
      const entries = await page.evaluate<Entry[]>(timingOf(path))
      assert.deepEqual(
        entries.map(({ name }) => name),
        [
          'connection-acquire',
          'connection-held',
          'connection-release',
          ...['acquire', 'held', 'release'].map(
            (phase) => `a_lock_on_stock_dur_9_Set-Cookie_x_1_-${phase}`,
          ),
        ],
      )
      // Timers may be a millisecond early.
      assert.ok((entries[0]?.duration ?? 0) >= 19, JSON.stringify(entries))
      assert.ok((entries[5]?.duration ?? 0) >= 9, JSON.stringify(entries))
    }
    assert.deepEqual(await page.evaluate(timingOf('/silent')), [])
    assert.equal(await page.evaluate('document.cookie'), '')
  } finally {
    await browser.close()
  }
})
