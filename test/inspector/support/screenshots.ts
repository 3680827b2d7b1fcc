/**
 * The pictures of docs/inspector.md, made by hand: `node test/inspector/support/screenshots.ts [FOLDER] [SECONDS]`.
 * A small shop on a real PostgreSQL, under customers of whom some wait, some fail and one forgets a lease.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Pool } from 'pg'
import { createApp, detectLeaks, resource, type Scope } from 'unwind'
import { inspector } from 'unwind/inspector'
import { pgResources } from 'unwind/pg'

import { launch } from '../../support/chromium.ts'
import { startPostgres } from '../../support/postgres.ts'

const [folder = 'docs', seconds = '45'] = process.argv.slice(2)
const stop = new AbortController()

await using postgres = await startPostgres()
using _detection = detectLeaks({ level: 'full', threshold: 20_000 })
await using app = createApp({ name: 'shop', onError() {} })
const db = pgResources(() => new Pool({ connectionString: postgres.url, max: 10 }))
const stockLock = resource({
  name: 'lock on stock',
  acquire: ({ signal }) => sleep(900 + Math.random() * 900, {}, { signal }),
  release() {},
})
const search = resource({
  name: 'search client',
  lifetime: 'app',
  acquire: () => ({}),
  release() {},
})

class Subscription {
  readonly topic = 'orders'
}

/** A customer who comes again and again. */
async function keepComing(
  pause: number,
  name: string,
  visit: (scope: Scope) => Promise<unknown>,
): Promise<void> {
  while (!stop.signal.aborted) {
    await sleep(pause * (0.5 + Math.random()))
    await app.run({ name }, visit).catch(() => {})
  }
}

async function order(scope: Scope): Promise<void> {
  const books = await scope.get(db.transaction)
  await books.query('select pg_sleep($1)', [0.02 + Math.random() * 0.3])
  if (Math.random() < 0.12) throw new Error('The card was refused.')
  if (Math.random() < 0.3) await sleep(Math.random() * 2_000)
}

async function read(scope: Scope): Promise<void> {
  const connection = await scope.get(db.connection)
  await connection.query('select pg_sleep($1)', [0.004 + Math.random() * 0.06])
}

async function count(scope: Scope): Promise<void> {
  await scope.get(stockLock)
  const books = await scope.get(db.transaction)
  await books.query('select pg_sleep(0.4)')
}

async function report(scope: Scope): Promise<void> {
  await scope.run({ name: 'month by month', kind: 'request' }, async (month) => {
    const books = await month.get(db.transaction)
    await books.query('select 1')
    await sleep(3_600_000, undefined, { signal: stop.signal })
  })
}

async function follow(scope: Scope): Promise<void> {
  scope.adopt(new Subscription(), () => {})
  await sleep(12_000 + Math.random() * 30_000, undefined, { signal: stop.signal })
}

async function forget(): Promise<void> {
  const pool = await app.get(db.pool)
  await app.run({ name: 'POST /import' }, async () => {
    const lease = await pool.acquire()
    await lease.query('select 1')
  })
}

await app.get(search)
const busy = [
  ...Array.from({ length: 9 }, () => keepComing(400, 'POST /orders', order)),
  ...Array.from({ length: 6 }, () => keepComing(150, 'GET /orders/:id', read)),
  ...Array.from({ length: 2 }, () => keepComing(900, 'PUT /stock', count)),
  ...Array.from({ length: 3 }, () => keepComing(2_000, 'GET /feed', follow)),
  keepComing(500, 'nightly report', report),
]
await forget()

const look = inspector(app)
const server = createServer((request, response) => void look.handler(request, response))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
// A server on TCP has such an address.
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const browser = await launch()
const looks = [
  { name: 'inspector', colorScheme: 'light', viewport: { width: 1440, height: 1200 } },
  { name: 'inspector-dark', colorScheme: 'dark', viewport: { width: 1440, height: 1200 } },
  { name: 'inspector-narrow', colorScheme: 'dark', viewport: { width: 420, height: 900 } },
] as const
const pages = await Promise.all(
  looks.map(async ({ name, ...options }) => {
    const page = await browser.newPage(options)
    await page.goto(look.url(base))
    return { name, page }
  }),
)
await sleep(Number(seconds) * 1_000)
for (const { name, page } of pages) {
  // Only the page in front draws its frames.
  await page.bringToFront()
  await sleep(1_500)
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
await browser.close()
await look[Symbol.asyncDispose]()
server.close()
stop.abort()
await Promise.allSettled(busy)
