/** What is special about better-sqlite3. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import Driver from 'better-sqlite3'
import { createApp } from 'unwind'
import { sqlite, sqliteResources } from 'unwind/better-sqlite3'
import { temporaryPath } from './support/database.ts'
import { printed } from './support/printed.ts'

test('a binary that cannot be loaded is told from a file that cannot be opened', () => {
  const script = `
    process.dlopen = () => {
      throw Object.assign(new Error('for another Node.js'), { code: 'ERR_DLOPEN_FAILED' })
    }
    const { sqlite } = await import('unwind/better-sqlite3')
    try {
      sqlite('shop.db')
    } catch ({ code, message, cause }) {
      console.log(JSON.stringify({ code, message, cause: cause.message }))
    }
  `
  const { code, message, cause } = printed(script) as Record<string, string>
  assert.equal(code, 'ERR_SQLITE_OPEN')
  assert.match(message ?? '', /"shop\.db": better-sqlite3 did not load its binary, .* npm rebuild/)
  assert.equal(cause, 'for another Node.js')
})

/** A database, and an iterator of the driver itself, which blocks every COMMIT and ROLLBACK until it is closed. */
function open(): { raw: Driver.Database; iterate: () => Iterator<unknown> } {
  const raw = new Driver(':memory:')
  raw.exec("create table item (name text); insert into item values ('one'), ('two')")
  const iterate = (): Iterator<unknown> => {
    const rows = raw.prepare('select * from item').iterate()
    rows.next()
    return rows
  }
  return { raw, iterate }
}

async function dispose(held: AsyncDisposable): Promise<void> {
  await held[Symbol.asyncDispose]()
}

const stillOpen = { code: 'ERR_SQLITE_MISUSE', message: /could not be rolled back.*iterator/ }

test('what an iterator of the driver itself keeps from happening says so, and then happens', async () => {
  const { raw, iterate } = open()
  using db = sqlite(raw)
  using waiting = sqlite(raw, { busyTimeout: 50 })
  const rows = iterate()
  for (const options of [{ busyTimeout: 50 }, { defaults: true }]) {
    const open = { code: 'ERR_SQLITE_OPEN', message: /it is busy.* an iterator of the driver/ }
    assert.throws(() => sqlite(raw, options), open)
  }
  const busy = { code: 'ERR_SQLITE_MISUSE', message: /is busy: an iterator of the driver/ }
  const write = db.prepare("insert into item values ('three')")
  for (const use of [() => db.begin(), () => db.transaction(() => {}), () => write.run()]) {
    assert.throws(use, busy)
  }
  for (const one of [db, waiting]) await assert.rejects(one.write(), busy)
  rows.return?.()
  await using tx = await db.write()
  const more = iterate()
  for (const use of [() => tx.savepoint(), () => tx.commit(), () => tx.exec('delete from item')]) {
    assert.throws(use, busy)
  }
  more.return?.()
  tx.exec('delete from item')
  tx.commit()
  assert.deepEqual(db.prepare('select * from item').all(), [])
})

test('a request whose transaction could not be ended does not stand in the way of the next', async () => {
  const { raw, iterate } = open()
  await using app = createApp()
  const { transaction } = sqliteResources(raw)
  const insert = (name: string, then = (): unknown => undefined): Promise<unknown> =>
    app.run(async (scope) => {
      const tx = await scope.get(transaction)
      tx.prepare('insert into item values (?)').run(name)
      return then()
    })
  let rows: Iterator<unknown> | undefined
  const first = insert('first', () => void (rows = iterate()))
  await Promise.all([
    assert.rejects(first, { name: 'SuppressedError' }),
    assert.rejects(insert('behind it'), stillOpen),
  ])
  await assert.rejects(insert('after it'), stillOpen)
  rows?.return?.()
  await insert('last')
  assert.deepEqual(raw.prepare('select name from item').pluck().all(), ['one', 'two', 'last'])
})

test('what a transaction that was left has written is seen by nobody, and undone by the dispose of its database', async () => {
  const { raw, iterate } = open()
  const db = sqlite(raw)
  const tx = await db.write()
  tx.exec("insert into item values ('left')")
  const rows = iterate()
  for (let times = 0; times < 2; times += 1) assert.throws(() => tx.rollback(), stillOpen)
  for (let times = 0; times < 2; times += 1) await assert.rejects(dispose(tx), stillOpen)
  const count = (): unknown => db.prepare('select count(*) as n from item').get()
  for (const use of [count, () => db.exec('delete from item'), () => db.begin()]) {
    assert.throws(use, stillOpen)
  }
  rows.return?.()
  assert.deepEqual(count(), { n: 2 })
  assert.equal(tx.state, 'rolled back')
  const other = await db.write()
  const more = iterate()
  await assert.rejects(dispose(other), stillOpen)
  more.return?.()
  db[Symbol.dispose]()
  assert.equal(raw.inTransaction, false)
})

test('what another database over the same connection writes is no part of a transaction that was left', async () => {
  const { raw, iterate } = open()
  using db = sqlite(raw)
  using second = sqlite(raw)
  const tx = await db.write()
  tx.exec("insert into item values ('left')")
  const rows = iterate()
  await assert.rejects(dispose(tx), stillOpen)
  for (const use of [() => second.exec('delete from item'), () => second.begin()]) {
    assert.throws(use, stillOpen)
  }
  rows.return?.()
  second.prepare("insert into item values ('three')").run()
  db.begin()[Symbol.dispose]()
  assert.deepEqual(raw.prepare('select name from item').pluck().all(), ['one', 'two', 'three'])
})

test('readers of their own read on, and see nothing of a transaction that was left', async (t) => {
  const raw = new Driver(temporaryPath(t))
  const db = sqlite(raw, { defaults: true, readers: 1 })
  db.exec("create table item (name text); insert into item values ('one'), ('two')")
  const tx = await db.write()
  tx.exec('delete from item')
  const rows = raw.prepare('select 1 union select 2').iterate()
  rows.next()
  await assert.rejects(dispose(tx), stillOpen)
  const count = async (): Promise<unknown> => {
    await using reader = await db.read()
    return reader.prepare('select count(*) as n from item').get()
  }
  assert.deepEqual(await Promise.all([count(), count()]), [{ n: 2 }, { n: 2 }])
  rows.return?.()
  db[Symbol.dispose]()
  raw.close()
})

/** What another package brings with it, where its version differs. */
function copyOfDriver(): typeof Driver {
  const require = createRequire(import.meta.url)
  const inDriver = /[\\/]node_modules[\\/]better-sqlite3[\\/]/
  for (const path of Object.keys(require.cache)) if (inDriver.test(path)) delete require.cache[path]
  // It exports what the driver does.
  return require('better-sqlite3') as typeof Driver
}

test('the connections beside one of the caller are made by the copy of the driver that made that', async (t) => {
  const folder = dirname(temporaryPath(t))
  const Copy = copyOfDriver()
  assert.notEqual(Copy, Driver)
  const ofCopy = new Set<unknown>()
  const { prepare } = Copy.prototype
  Copy.prototype.prepare = function (this: unknown, ...values: unknown[]): unknown {
    ofCopy.add(this)
    return Reflect.apply(prepare, this, values)
  } as typeof prepare
  class Shop extends Copy {
    constructor(name: string) {
      super(join(folder, name))
    }
  }
  const raw = new Shop('shop.db')
  const db = sqlite(raw, { defaults: true, readers: 1 })
  db.exec('create table item (name text)')
  {
    await using reader = await db.read()
    assert.deepEqual(reader.prepare('select count(*) as n from item').get(), { n: 0 })
  }
  assert.equal(ofCopy.size, 2)
  db[Symbol.dispose]()
  raw.close()
})
