/** A writer that is held for too long is reported. The last test uses up what the stack traces may cost in this process. */
import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { describe, type TestContext } from 'node:test'
import timers from 'node:timers'
import { createApp, type Scope } from 'unwind'
import { script } from '../core/support/script.ts'
import { openFile } from './support/database.ts'
import { driverOf, test, type Owned } from './support/drivers.ts'
import { nextWarning } from './support/promises.ts'

describe('a transaction that is held for too long', () => {
  test('it is reported with the name of the file and where it was acquired', async (t) => {
    const { db } = openFile(t, { slowWrite: 1 })
    for (let round = 0; round < 2; round += 1) {
      const warning = nextWarning()
      await using tx = await acquireForReport(db)
      const { code, name, message, detail } = await warning
      assert.equal(code, 'UNWIND_SLOW_WRITE')
      assert.equal(name, 'UnwindWarning')
      assert.match(message, /"[^"]*test\.db" has been held for more than 1 ms/)
      assert.match(message, /It was acquired at acquireForReport \(.*write\.test\.[jt]s:\d+:\d+\)/)
      assert.match(detail ?? '', /^at acquireForReport .*write\.test/)
      tx.commit()
    }
  })

  test('one that a request owns is reported to the onError of that request', async (t) => {
    const { db } = openFile(t, { slowWrite: 1 })
    const reported = Promise.withResolvers<[unknown, Scope]>()
    // What looks at slow writes keeps no process alive, and nothing else waits here.
    const alive = setInterval(() => {}, 1_000)
    t.after(() => clearInterval(alive))
    const onError = (error: unknown, { scope }: { scope: Scope }): void =>
      reported.resolve([error, scope])
    await using app = createApp({ onError })
    await app.run({ name: 'checkout' }, async (request) => {
      await using tx = await db.write()
      const [error, scope] = await reported.promise
      assert.equal(scope, request)
      assert.match(String(error), /has been held in the scope "checkout" \(request s\w+\) for/)
      tx.commit()
    })
  })

  test('a transaction can be begun where the program froze Error', async (t) => {
    const lines = await script(`
      import { sqlite } from 'unwind/${driverOf(t).name}'
      Object.freeze(Error)
      const db = sqlite(':memory:')
      const tx = await db.write()
      tx.exec('create table t (n)')
      tx.commit()
      console.log(db.prepare('select count(*) as n from t').get().n)
    `)
    assert.deepEqual(lines, ['0'])
  })

  test('one timer is enough for all transactions, and is gone after the dispose', async (t) => {
    const { db } = openFile(t, { slowWrite: 60_000 })
    const { set, cleared } = watchedTimers(t)
    for (let n = 0; n < 100; n += 1) {
      await using tx = await db.write()
      tx.commit()
    }
    const own = set.mock.calls.filter(({ arguments: [, ms] }) => ms === 60_000)
    const [timer, ...more] = own.map(({ result }) => result)
    assert.equal(more.length, 0)
    assert.equal(timer?.hasRef(), false, 'it keeps no process alive')
    db[Symbol.dispose]()
    assert.ok(cleared.mock.calls.some(({ arguments: [which] }) => which === timer))
  })

  test('nothing is reported of one whose database was disposed before it was handed out', async (t) => {
    const { db } = openFile(t, { slowWrite: 60_000, busyTimeout: 1_000 })
    const { set, cleared } = watchedTimers(t)
    const pending = db.write()
    db[Symbol.dispose]()
    const tx = await pending
    assert.equal(tx.state, 'rolled back')
    const own = set.mock.calls.filter(({ arguments: [, ms] }) => ms === 60_000)
    for (const { result } of own) {
      assert.ok(cleared.mock.calls.some(({ arguments: [which] }) => which === result))
    }
  })

  test('it is reported after a test has put back the timers under which the database was used', async (t) => {
    const { db } = openFile(t, { slowWrite: 1 })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const quick = await db.write()
    quick.commit()
    t.mock.timers.reset()
    const warning = nextWarning()
    await using tx = await db.write()
    assert.match((await warning).message, /has been held for more than 1 ms/)
    tx.commit()
  })

  test('after more transactions than have their origin taken, one is reported all the same', async (t) => {
    const { db } = openFile(t, { slowWrite: 1 })
    for (let n = 0; n < 500; n += 1) {
      const tx = await db.write()
      tx.commit()
    }
    const warning = nextWarning()
    await using tx = await db.write()
    assert.match((await warning).message, /has been held for more than 1 ms, and every other/)
    tx.commit()
  })
})

/** Those of the platform, whatever a test has put in the place of the global ones. */
function watchedTimers(t: TestContext) {
  const set = t.mock.method(timers, 'setTimeout')
  const cleared = t.mock.method(timers, 'clearTimeout')
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  return { set, cleared }
}

function acquireForReport(db: Owned): ReturnType<Owned['write']> {
  return db.write()
}
