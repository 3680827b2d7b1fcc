/** `write()`: transactions that may await, one at a time, first come first served. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join, dirname } from 'node:path'
import { describe } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { deferredForeignKey, insert, names, openAt, openFile, openRaw } from './support/database.ts'
import { test } from './support/drivers.ts'
import { isPending, withCode, within } from './support/promises.ts'

describe('write()', () => {
  test('a transaction that commits is kept, across awaits', async (t) => {
    const { db, committed } = openFile(t)
    await using tx = await db.write()
    insert(tx, 'a')
    await turn()
    assert.deepEqual(committed(), [])
    insert(tx, 'b')
    tx.commit()
    assert.deepEqual(committed(), ['a', 'b'])
  })

  test('a transaction that is left without commit is rolled back', async (t) => {
    const { db, committed } = openFile(t)
    {
      await using tx = await db.write()
      insert(tx, 'a')
      await turn()
    }
    assert.deepEqual(committed(), [])
    insert(db, 'b')
    assert.deepEqual(committed(), ['b'])
  })

  test('interleaved requests do not join each other: one commits, one rolls back', async (t) => {
    const { db, committed } = openFile(t)
    const order: string[] = []
    const request = async (name: string, keep: boolean): Promise<void> => {
      await using tx = await db.write()
      order.push(`${name} begins`)
      insert(tx, `${name}1`)
      await turn()
      insert(tx, `${name}2`)
      await turn()
      if (keep) tx.commit()
      order.push(`${name} ends`)
    }
    await within(Promise.all([request('a', false), request('b', true), request('c', false)]))
    assert.deepEqual(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    assert.deepEqual(committed(), ['b1', 'b2'])
  })

  test('writers get their turn in the order in which they asked', async (t) => {
    const { db, committed } = openFile(t)
    const expected = Array.from({ length: 100 }, (_, n) => String(n))
    const write = async (name: string): Promise<void> => {
      await using tx = await db.write()
      if (Number(name) % 3 === 0) await turn()
      insert(tx, name)
      tx.commit()
    }
    await within(Promise.all(expected.map(write)))
    assert.deepEqual(committed(), expected)
  })

  test('whoever commits and asks again goes to the end of the line', async (t) => {
    const { db } = openFile(t)
    const order: string[] = []
    const first = await db.write()
    const second = db.write().then((tx) => {
      order.push('second')
      tx.commit()
    })
    first.commit()
    const again = db.write().then((tx) => {
      order.push('first again')
      tx.commit()
    })
    await within(Promise.all([second, again]))
    assert.deepEqual(order, ['second', 'first again'])
  })

  test('the turn passes on at the commit, not at the dispose', async (t) => {
    const { db } = openFile(t)
    await using tx = await db.write()
    const next = db.write()
    assert.equal(await isPending(next), true)
    tx.commit()
    await using second = await within(next)
    assert.equal(second.state, 'open')
  })

  test('the event loop turns while one writer waits for another', async (t) => {
    const { db, path } = openFile(t)
    using other = openAt(t, path)
    const events: string[] = []
    const first = await db.write()
    const second = other.write().then((tx) => {
      events.push('second writes')
      tx.commit()
    })
    for (let n = 0; n < 3; n += 1) {
      await turn()
      events.push('turn')
    }
    first.commit()
    await within(second)
    assert.deepEqual(events, ['turn', 'turn', 'turn', 'second writes'])
  })

  test('two databases of one process on one file take turns, whatever their paths', async (t) => {
    const { db, path, committed } = openFile(t)
    const link = join(dirname(path), 'link.db')
    symlinkSync(path, link)
    using other = openAt(t, link, { busyTimeout: 1_000 })
    const tx = db.begin()
    assert.throws(() => insert(other, 'stray'), withCode('ERR_SQLITE_BUSY', /link\.db/))
    assert.throws(() => other.begin(), withCode('ERR_SQLITE_BUSY'))
    insert(tx, 'a')
    tx.commit()
    insert(other, 'b')
    assert.deepEqual(committed(), ['a', 'b'])
  })

  test('begin() while somebody else writes is refused, not joined', async (t) => {
    const { db } = openFile(t)
    await using tx = await db.write()
    assert.throws(() => db.begin(), withCode('ERR_SQLITE_BUSY', /await db\.write\(\)/))
    assert.throws(() => insert(db, 'stray'), withCode('ERR_SQLITE_BUSY'))
    assert.deepEqual(names(tx), [])
  })

  test('a failed commit leaves it open; dispose rolls it back and passes the turn on', async (t) => {
    const { db } = openFile(t)
    deferredForeignKey(db)
    const next = (async () => {
      await using tx = await db.write()
      const waiting = db.write()
      tx.exec('insert into child values (7)')
      assert.throws(() => tx.commit(), /FOREIGN KEY/)
      assert.equal(tx.state, 'open')
      assert.equal(await isPending(waiting), true)
      return { waiting }
    })()
    await using tx = await within((await next).waiting)
    assert.deepEqual(tx.prepare('select * from child').all(), [])
  })

  test('a rollback by SQLite itself passes the turn on', async (t) => {
    const { db } = openFile(t)
    db.exec("create unique index one on item (name); insert into item values ('a')")
    await using tx = await db.write()
    const waiting = db.write()
    assert.throws(() => tx.exec("insert or rollback into item values ('a')"), /UNIQUE/)
    await using next = await within(waiting)
    insert(next, 'b')
    assert.throws(() => insert(tx, 'c'), withCode('ERR_DISPOSED'))
    next.commit()
    assert.deepEqual(names(db), ['a', 'b'])
  })

  test('disposing twice is the same as once', async (t) => {
    const { db } = openFile(t)
    const tx = await db.write()
    await Promise.all([tx[Symbol.asyncDispose](), tx[Symbol.asyncDispose]()])
    await tx[Symbol.asyncDispose]()
    await using next = await within(db.write())
    assert.equal(next.state, 'open')
  })
})

describe('write({ signal })', () => {
  test('an abort ends the wait with its reason, and the others keep their places', async (t) => {
    const { db } = openFile(t)
    const reason = new Error('left')
    const controller = new AbortController()
    const tx = await db.write()
    const impatient = db.write({ signal: controller.signal })
    const patient = db.write()
    controller.abort(reason)
    await assert.rejects(within(impatient), (error) => error === reason)
    assert.equal(await isPending(patient), true)
    tx.commit()
    await using next = await within(patient)
    assert.equal(next.state, 'open')
  })

  test('with a signal that has aborted nothing begins', async (t) => {
    const { db } = openFile(t)
    await assert.rejects(
      db.write({ signal: AbortSignal.abort('gone') }),
      (error) => error === 'gone',
    )
    using tx = db.begin()
    tx.commit()
  })

  test('an abort between the turn and its use gives the turn on', async (t) => {
    const { db } = openFile(t)
    const controller = new AbortController()
    const tx = await db.write()
    const late = db.write({ signal: controller.signal })
    const next = db.write()
    tx.commit()
    controller.abort(new Error('too late'))
    await assert.rejects(within(late), /too late/)
    await using last = await within(next)
    assert.equal(last.state, 'open')
  })

  test('an abort after the beginning does not touch the transaction', async (t) => {
    const { db, committed } = openFile(t)
    const controller = new AbortController()
    await using tx = await db.write({ signal: controller.signal })
    controller.abort()
    insert(tx, 'a')
    tx.commit()
    assert.deepEqual(committed(), ['a'])
  })

  test('no listener stays on the signal', async (t) => {
    const { db } = openFile(t)
    const { signal } = new AbortController()
    const removed = t.mock.method(signal, 'removeEventListener')
    const added = t.mock.method(signal, 'addEventListener')
    const tx = await db.write()
    const next = db.write({ signal })
    tx.commit()
    await using _next = await within(next)
    assert.equal(added.mock.callCount(), 1)
    assert.equal(removed.mock.callCount(), 1)
  })
})

describe('another connection that holds the file', () => {
  test('it is said with the name of the file, and nothing is held', async (t) => {
    const { db, path } = openFile(t)
    const raw = openRaw(t, path)
    raw.exec('begin immediate')
    const held = withCode('ERR_SQLITE_BUSY', /Another connection holds ".*test\.db".*busyTimeout/)
    await assert.rejects(db.write(), held)
    assert.throws(() => db.begin(), held)
    assert.throws(() => db.transaction(() => {}), held)
    assert.throws(() => insert(db, 'a'), held)
    raw.exec('rollback')
    await using tx = await within(db.write())
    tx.commit()
  })

  test('write() waits for it as long as busyTimeout says, and the event loop turns meanwhile', async (t) => {
    const { db, path } = openFile(t, { busyTimeout: 60_000 })
    const raw = openRaw(t, path)
    raw.exec("begin immediate; insert into item values ('theirs')")
    const writing = db.write()
    for (let n = 0; n < 3; n += 1) assert.equal(await isPending(writing), true)
    const after = db.write()
    raw.exec('commit')
    await using tx = await within(writing)
    assert.deepEqual(names(tx), ['theirs'])
    insert(tx, 'ours')
    assert.equal(await isPending(after), true)
    tx.commit()
    await using last = await within(after)
    assert.deepEqual(names(last), ['theirs', 'ours'])
  })

  test('after busyTimeout it is said, and the turn passes on', async (t) => {
    const { db, path } = openFile(t, { busyTimeout: 30 })
    const raw = openRaw(t, path)
    raw.exec('begin immediate')
    const began = performance.now()
    const held = withCode('ERR_SQLITE_BUSY', /Another connection holds ".*test\.db".*busyTimeout/)
    await assert.rejects(db.write(), held)
    assert.ok(performance.now() - began >= 30)
    raw.exec('rollback')
    await using tx = await within(db.write())
    tx.commit()
  })

  test('an abort ends that wait with its reason, a dispose with its own', async (t) => {
    const { db, path } = openFile(t, { busyTimeout: 60_000 })
    const raw = openRaw(t, path)
    raw.exec('begin immediate')
    const controller = new AbortController()
    const impatient = db.write({ signal: controller.signal })
    const patient = db.write()
    controller.abort('left')
    await assert.rejects(within(impatient), (error) => error === 'left')
    assert.equal(await isPending(patient), true)
    const told = assert.rejects(within(patient), withCode('ERR_DISPOSED'))
    db[Symbol.dispose]()
    await told
  })
})
