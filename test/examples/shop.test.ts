import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { Pool } from 'pg'
import { sqlite } from 'unwind/better-sqlite3'
import { connect } from 'unwind/ws'

import { runExample, startExample } from './support/example.ts'
import { assertBalanced, balanced, few, none, temporaryFolder } from './support/shop.ts'

/** So many that a kill comes in their middle. */
const many = ['--requests', '2000']
const given = process.env['DATABASE_URL']

suite('the shop on SQLite', { timeout: 180_000 }, () => {
  test('serves ten kinds of customers, and its books balance', async () => {
    await using folder = await temporaryFolder()
    const { code, out, err } = await runExample('shop/main', few, { cwd: folder.path })
    assert.equal(err, '')
    assertBalanced({ code, out })
    assertCount(out, 'answered', 42)
    assertCount(out, 'threw in the handler', 6)
    assertCount(out, 'cancelled by the client', 6)
    assertCount(out, 'timed out', 3)
    assertCount(out, 'vanished', 3)
    assertCount(out, 'vanished, no close frame', 2)
    assert.match(out, /^ {2}request scopes +60 +60 +42 +6 +12 +– +0$/m)
    assert.match(out, /^ {2}socket scopes +25 +25 +\d+ +\d+ +2 +– +0$/m)
    assert.match(out, /✓ every answered order is in the database +(\d+) of \1$/m)
    for (const line of out.split('\n')) assert.ok(line.length <= 100, line)
  })

  test('a second run goes on with the same books', async () => {
    await using folder = await temporaryFolder()
    const words = [...few, '--database', join(folder.path, 'own.db')]
    const first = await runExample('shop/main', words)
    assert.doesNotMatch(first.out, /earlier runs/)
    const second = await runExample('shop/main', words)
    assertBalanced(second)
    assert.match(second.out, /The books of earlier runs:/)
    assert.equal(ordersIn(second.out), 2 * ordersIn(first.out))
  })

  test('books that were left by a SIGKILL in the middle balance', async () => {
    await using folder = await temporaryFolder()
    const killed = startExample('shop/main', many, { cwd: folder.path })
    await killed.printed(/550 of 2,200 customers/)
    killed.child.kill('SIGKILL')
    assert.equal((await killed.ended).signal, 'SIGKILL')
    const second = await runExample('shop/main', few, { cwd: folder.path })
    assertBalanced(second)
    assert.match(second.out, /The books of earlier runs:\n( {2}✓ .+\n){3}/)
  })

  test('what was answered before a SIGKILL is in the books, and what was not accepted is not', async () => {
    await using folder = await temporaryFolder()
    const database = join(folder.path, 'shop.db')
    const shop = startExample('shop/main', [...none, '--serve', '--database', database])
    const [, url] = await shop.printed(/Serving (\S+) until/)
    const answered: string[] = []
    const lane = async (card: string): Promise<void> => {
      while (answered.length < 200) {
        const id = `${card}-${randomUUID()}`
        const response = await order(String(url), id, card)
        if (response.status === 201) answered.push(id)
      }
      shop.child.kill('SIGKILL')
    }
    // The connections break with the shop.
    await Promise.allSettled([lane('accepted'), lane('accepted'), lane('broken'), lane('accepted')])
    await shop.ended
    using books = sqlite(database)
    const rows = books.prepare<{ id: string }>('select id from shop_orders').all()
    const ids = new Set(rows.map(({ id }) => id))
    assert.ok(answered.length >= 200)
    assert.deepEqual(
      answered.filter((id) => !ids.has(id)),
      [],
    )
    assert.deepEqual(
      rows.filter(({ id }) => !id.startsWith('accepted')),
      [],
    )
  })

  test('an audit finds what does not belong into the books, and exits with 1', async () => {
    await using folder = await temporaryFolder()
    const database = join(folder.path, 'shop.db')
    await runExample('shop/main', [...few, '--database', database])
    using books = sqlite(database)
    books.exec(`insert into shop_orders (id, card, total) values ('x', 'silent', 0)`)
    books.exec(`update shop_products set stock = stock + 1 where id = 3`)
    books[Symbol.dispose]()
    const { code, out } = await runExample('shop/main', [...none, '--database', database])
    assert.equal(code, 1)
    assert.match(out, /✗ every order in the books was paid for/)
    assert.match(out, /✗ the items of each order add up to its total/)
    assert.match(out, /✗ delivered − sold = in stock, for each product/)
    assert.match(out, /This is not in order\.\n$/)
  })

  test('--serve answers, tells the feed, and ends in order on SIGINT', async () => {
    await using folder = await temporaryFolder()
    const shop = startExample('shop/main', [...few, '--serve'], { cwd: folder.path })
    const [, url = ''] = await shop.printed(/Serving (\S+) until/)
    await using feed = await connect(`${url.replace('http', 'ws')}/feed?page`)
    assert.equal((await order(url, 'mine', 'accepted')).status, 201)
    for await (const message of feed) {
      assert.deepEqual(JSON.parse(String(message)), { sold: 'mine', items: 2, total: 1_780 })
      break
    }
    const page = await fetch(url)
    assert.match(await page.text(), /^<!doctype html>/)
    const held = (await (await fetch(`${url}/held`)).json()) as { visitors: { acquired: number } }
    assert.equal(held.visitors.acquired, 1)
    shop.child.kill('SIGINT')
    assert.equal((await feed.closed).code, 1001)
    assertBalanced(await shop.ended)
  })

  test('SIGINT in the middle of the traffic lets nobody new in, checks the books and exits with 130', async () => {
    await using folder = await temporaryFolder()
    const shop = startExample('shop/main', many, { cwd: folder.path })
    await shop.printed(/550 of 2,200 customers/)
    shop.child.kill('SIGINT')
    const { code, out } = await shop.ended
    assert.equal(code, 130)
    assert.ok(out.endsWith(`${balanced}\n`), out)
    assert.doesNotMatch(out, /2,200 of 2,200/)
  })
})

suite('the shop on PostgreSQL', { skip: !given && 'no DATABASE_URL', timeout: 180_000 }, () => {
  test('balances its books, goes on with them, and has room for another shop', async () => {
    await using schema = await temporarySchema(String(given))
    const options = { databaseUrl: schema.url }
    const [one, other] = await Promise.all([
      runExample('shop/main', few, options),
      runExample('shop/main', few, options),
    ])
    assertBalanced(one)
    assertBalanced(other)
    const third = await runExample('shop/main', few, options)
    assertBalanced(third)
    assert.equal(ordersIn(third.out) % 3, 0)
  })

  test('books that were left by a SIGKILL in the middle balance', async () => {
    await using schema = await temporarySchema(String(given))
    const options = { databaseUrl: schema.url }
    const killed = startExample('shop/main', many, options)
    await killed.printed(/550 of 2,200 customers/)
    killed.child.kill('SIGKILL')
    await killed.ended
    const second = await runExample('shop/main', few, options)
    assertBalanced(second)
    assert.match(second.out, /The books of earlier runs:\n( {2}✓ .+\n){3}/)
  })
})

function assertCount(out: string, kind: string, count: number): void {
  assert.match(out, new RegExp(`^  ${kind} +${count} +[\\d.,]+ ms +[\\d.,]+ ms `, 'm'))
}

/** How many orders the books hold at the end. */
function ordersIn(out: string): number {
  const [, orders = ''] = /.*paid for +([\d,]+) orders, all runs(?![^]*all runs)/.exec(out) ?? []
  return Number(orders.replaceAll(',', ''))
}

function order(url: string, id: string, card: string): Promise<Response> {
  const body = JSON.stringify({ id, card, lines: [{ product: 1, quantity: 2 }] })
  return fetch(`${url}/orders`, { method: 'POST', body })
}

/** Tables of our own: the database is shared with other tests, and perhaps with somebody's work. */
async function temporarySchema(base: string): Promise<AsyncDisposable & { readonly url: string }> {
  const name = `shop_${randomUUID().replaceAll('-', '')}`
  const pool = new Pool({ connectionString: base, max: 1 })
  await pool.query(`create schema ${name}`)
  const url = new URL(base)
  url.searchParams.set('options', `-c search_path=${name}`)
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await pool.query(`drop schema ${name} cascade`)
      await pool.end()
    },
  }
}
