import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { Hono } from 'hono'
import { createApp, inject, resource } from 'unwind'
import { honoFetch } from 'unwind/hono'

import { within } from '../core/support/promises.ts'
import { kinds } from './support/kinds.ts'
import { Site } from './support/site.ts'

const database = resource({
  name: 'database',
  acquire: () => pause(5, {}),
  release: () => pause(5),
})
const odd = resource({ name: 'odd "name", é;\r\nx', acquire: () => ({}), release: () => {} })

/** Each metric with its milliseconds. */
function metricsOf(header: string | string[] | undefined): Map<string, number> {
  const metrics = String(header).split(', ')
  return new Map(
    metrics.map((metric) => {
      const { name = '', dur } =
        /^(?<name>[\w!#$%&'*+.^`|~-]+);dur=(?<dur>[\d.]+)$/.exec(metric)?.groups ?? {}
      assert.notEqual(name, '', metric)
      return [name, Number(dur)]
    }),
  )
}

describe('Server-Timing', () => {
  test('is not sent, and nobody listens, unless it is asked for', async () => {
    for (const kind of kinds) {
      await using site = await Site.serve(kind, async ({ scope }) => {
        await scope.get(database)
        return { body: 'done' }
      })
      assert.equal((await kind.ask(site, '/')).headers['server-timing'], undefined)
    }
    assert.equal(channel('unwind:resource:acquired').hasSubscribers, false)
  })

  for (const kind of kinds) {
    test(`tells what each resource of a request with ${kind.name} cost`, async () => {
      const options = { serverTiming: true }
      await using site = await Site.serve(
        kind,
        async ({ scope }) => {
          await scope.get(database)
          await scope.get(odd)
          await pause(5)
          return { body: 'done' }
        },
        options,
      )
      const { headers } = await kind.ask(site, '/')
      const metrics = metricsOf(headers['server-timing'])
      const released = kind.seesResult ? ['database-release', 'odd_name_x-release'] : []
      const expected = [
        'database-acquire',
        'database-held',
        'odd_name_x-acquire',
        'odd_name_x-held',
      ]
      assert.deepEqual([...metrics.keys()].toSorted(), [...expected, ...released].toSorted())
      // Timers of Node.js may be a millisecond early.
      for (const name of ['database-acquire', 'database-held', ...released.slice(0, 1)]) {
        assert.ok(Number(metrics.get(name)) >= 3, `${name}: ${metrics.get(name)}`)
      }
    })
  }

  test('tells of a request without a server too, and of each request its own', async () => {
    const app = createApp()
    const hono = new Hono().get('/:held', async (c) => {
      if (c.req.param('held') === 'one') await inject(database)
      return c.text('done')
    })
    const fetch = honoFetch(app, hono, { serverTiming: true })
    const [one, none] = await Promise.all(
      ['one', 'none'].map((path) => fetch(new Request(`http://localhost/${path}`))),
    )
    const names = [...metricsOf(one?.headers.get('server-timing') ?? '').keys()]
    assert.deepEqual(names, ['database-acquire', 'database-held', 'database-release'])
    assert.equal(none?.headers.get('server-timing'), null)
    await app.close()
  })

  test('is added to a response whose headers cannot be changed', async () => {
    const app = createApp()
    const hono = new Hono().get('/', async () => {
      await inject(database)
      return Response.redirect('http://localhost/orders')
    })
    const fetch = honoFetch(app, hono, { serverTiming: true })
    const response = await within(Promise.resolve(fetch(new Request('http://localhost/'))))
    assert.equal(response.headers.get('location'), 'http://localhost/orders')
    assert.match(response.headers.get('server-timing') ?? '', /database-acquire/)
    await app.close()
  })
})
