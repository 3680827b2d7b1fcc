import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { Pool } from 'pg'
import { sqlite } from 'unwind/better-sqlite3'
import { connect } from 'unwind/ws'

import { runExample, startExample, type Ended } from './support/example.ts'

const few = ['--requests', '60', '--sockets', '25']
/** So many that a kill comes in their middle. */
const many = ['--requests', '4000']
const none = ['--requests', '0', '--sockets', '0']
const balanced = 'Nothing is held, and the books balance.'
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
    await killed.printed(/1,050 of 4,200 customers/)
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
    await shop.printed(/1,050 of 4,200 customers/)
    shop.child.kill('SIGINT')
    const { code, out } = await shop.ended
    assert.equal(code, 130)
    assert.ok(out.endsWith(`${balanced}\n`), out)
    assert.doesNotMatch(out, /4,200 of 4,200/)
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
    await killed.printed(/1,050 of 4,200 customers/)
    killed.child.kill('SIGKILL')
    await killed.ended
    const second = await runExample('shop/main', few, options)
    assertBalanced(second)
    assert.match(second.out, /The books of earlier runs:\n( {2}✓ .+\n){3}/)
  })
})

suite(
  'a shop that cannot start says why in one line, and exits with 2',
  { timeout: 180_000 },
  () => {
    const mistakes: [string, string[], RegExp][] = [
      ['an unknown option', ['--color'], /Unknown option '--color'/],
      ['a word too many', ['shop.db'], /Unexpected argument 'shop\.db'/],
      ['no number', ['--requests', 'many'], /--requests wants a whole number .*"many"/],
      ['a negative number', ['--sockets', '-3'], /--sockets/],
      ['a number too large', ['--port', '70000'], /--port wants .* to 65535/],
      ['no value', ['--database'], /--database/],
      ['a folder that is not there', ['--database', '/nowhere/shop.db'], /\/nowhere/],
    ]
    for (const [name, words, message] of mistakes) {
      test(name, async () => assertRefused(await runExample('shop/main', words), message))
    }

    test('a file that is no database', async () => {
      await using folder = await temporaryFolder()
      const database = join(folder.path, 'letter.txt')
      await writeFile(
        database,
        'Dear reader, this is no database, and it stays as it is.'.repeat(50),
      )
      assertRefused(await runExample('shop/main', ['--database', database]), /letter\.txt/)
    })

    test('a file that another shop has open', async () => {
      await using folder = await temporaryFolder()
      const options = { cwd: folder.path }
      const first = startExample('shop/main', [...none, '--serve'], options)
      await first.printed(/Serving/)
      assertRefused(
        await runExample('shop/main', few, options),
        /another program has the file open/,
      )
      first.child.kill('SIGTERM')
      assertBalanced(await first.ended)
    })

    test('a port that is taken', async () => {
      await using folder = await temporaryFolder()
      await using taken = createServer()
      await once(taken.listen(0, '127.0.0.1'), 'listening')
      const address = taken.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const words = [...few, '--port', String(port)]
      const ended = await runExample('shop/main', words, { cwd: folder.path })
      assert.match(ended.err, /^unwind shop: [^\n]*EADDRINUSE[^\n]*\n$/)
      assert.equal(ended.code, 2)
    })

    test('a DATABASE_URL of something else', async () => {
      const ended = await runExample('shop/main', few, { databaseUrl: 'mysql://localhost/shop' })
      assertRefused(ended, /DATABASE_URL wants/)
    })

    test('a DATABASE_URL where nobody listens, without its password', async () => {
      const databaseUrl = 'postgres://shop:secret@127.0.0.1:1/shop'
      const ended = await runExample('shop/main', few, { databaseUrl })
      assertRefused(ended, /PostgreSQL, 127\.0\.0\.1:1\/shop cannot be opened: .*ECONNREFUSED/)
      assert.doesNotMatch(ended.err, /secret/)
    })

    test('a DATABASE_URL where nobody answers', async () => {
      // It reads, or it would not see its visitors leave.
      await using silent = createServer((socket) => socket.on('error', () => {}).resume())
      await once(silent.listen(0, '127.0.0.1'), 'listening')
      const address = silent.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const databaseUrl = `postgres://127.0.0.1:${port}/shop`
      assertRefused(await runExample('shop/main', few, { databaseUrl }), /timeout/)
    })
  },
)

test('--help says what there is, in lines of at most 100 columns', async () => {
  const { code, out, err } = await runExample('shop/main', ['--help'])
  assert.deepEqual({ code, err }, { code: 0, err: '' })
  for (const word of ['requests', 'sockets', 'database', 'port', 'serve', 'help']) {
    assert.match(out, new RegExp(`^  --${word}`, 'm'))
  }
  for (const line of out.split('\n')) assert.ok(line.length <= 100, line)
})

function assertBalanced({ code, out }: Pick<Ended, 'code' | 'out'>): void {
  assert.ok(out.endsWith(`${balanced}\n`), out)
  assert.equal(code, 0)
}

function assertRefused({ code, out, err }: Ended, message: RegExp): void {
  assert.equal(out, '')
  assert.match(err, /^unwind shop: [^\n]+\n$/)
  assert.match(err, message)
  assert.equal(code, 2)
}

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

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'unwind-shop-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
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
