/** The transaction of a request: it follows the request's outcome. */
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { createApp, type Scope } from 'unwind'
import type { SqliteResources, SqliteTransaction } from 'unwind/better-sqlite3'
import { setUp } from './support/app.ts'
import { insert } from './support/database.ts'
import { test } from './support/drivers.ts'
import { isPending, nextWarning, quiet, withCode, within } from './support/promises.ts'

test('it commits when the request succeeds, and not before', async (t) => {
  const { app, resources, committed } = setUp(t)
  const result = await app.run(async (scope) => {
    const tx = await scope.get(resources.transaction)
    insert(tx, 'a')
    await turn()
    assert.deepEqual(committed(), [])
    return 'done'
  })
  assert.equal(result, 'done')
  assert.deepEqual(committed(), ['a'])
})

test('it is one for the whole request, nested blocks included', async (t) => {
  const { app, resources, committed } = setUp(t)
  await app.run(async (scope) => {
    const tx = await scope.get(resources.transaction)
    insert(tx, 'a')
    await scope.run(async (block) => {
      assert.equal(await block.get(resources.transaction), tx)
      insert(await block.get(resources.transaction), 'b')
    })
    assert.equal(tx.state, 'open')
  })
  assert.deepEqual(committed(), ['a', 'b'])
})

test('it rolls back when the request throws, and the error arrives unchanged', async (t) => {
  const { app, resources, committed } = setUp(t)
  const boom = new Error('boom')
  const request = app.run(async (scope) => {
    insert(await scope.get(resources.transaction), 'a')
    throw boom
  })
  await assert.rejects(request, (error) => error === boom)
  assert.deepEqual(committed(), [])
})

test('it rolls back when the request is aborted and its body rejects', async (t) => {
  const { app, resources, committed } = setUp(t)
  const controller = new AbortController()
  const request = app.run({ signal: controller.signal }, async (scope) => {
    insert(await scope.get(resources.transaction), 'a')
    controller.abort(new Error('client left'))
    scope.signal.throwIfAborted()
  })
  await assert.rejects(request, /client left/)
  assert.deepEqual(committed(), [])
})

test('it commits when the body fulfils although the request was aborted', async (t) => {
  const { app, resources, committed } = setUp(t)
  const controller = new AbortController()
  await app.run({ signal: controller.signal }, async (scope) => {
    insert(await scope.get(resources.transaction), 'a')
    controller.abort(new Error('too late'))
  })
  assert.deepEqual(committed(), ['a'])
})

test('it rolls back when nobody said how the request ended', async (t) => {
  const { app, resources, committed } = setUp(t)
  {
    await using scope = app.child()
    insert(await scope.get(resources.transaction), 'a')
  }
  assert.deepEqual(committed(), [])
  {
    await using scope = app.child()
    insert(await scope.get(resources.transaction), 'b')
    scope.complete()
  }
  assert.deepEqual(committed(), ['b'])
})

test('a commit that fails fails the request and is rolled back', async (t) => {
  const { app, resources } = setUp(t)
  const request = app.run(async (scope) => {
    const tx = await scope.get(resources.transaction)
    tx.exec(`
      create table parent (id integer primary key);
      create table child (parent integer references parent deferrable initially deferred);
      insert into child values (7)
    `)
  })
  await assert.rejects(request, withCode('SQLITE_CONSTRAINT_FOREIGNKEY'))
  await app.run(async (scope) => {
    const tx = await within(scope.get(resources.transaction))
    assert.throws(() => tx.prepare('select * from child'), /no such table/)
  })
})

test('what the request ended by itself is believed', async (t) => {
  const { app, resources, committed } = setUp(t)
  await app.run(async (scope) => {
    const tx = await scope.get(resources.transaction)
    insert(tx, 'a')
    tx.commit()
  })
  await app.run(async (scope) => {
    const tx = await scope.get(resources.transaction)
    insert(tx, 'b')
    tx.rollback()
  })
  assert.deepEqual(committed(), ['a'])
})

test('where SQLite rolled back by itself, a swallowed error does not become a success', async (t) => {
  const { app, resources, committed } = setUp(t)
  const request = app.run(async (scope) => {
    const tx = await scope.get(resources.transaction)
    tx.exec('create unique index one on item (name)')
    insert(tx, 'a')
    assert.throws(() => tx.exec("insert or rollback into item values ('a')"), /UNIQUE/)
  })
  await assert.rejects(request, withCode('ERR_DISPOSED', /rolled back by SQLite/))
  assert.deepEqual(committed(), [])
})

test('requests take turns at the writer, in the order in which they asked', async (t) => {
  const { app, resources, committed } = setUp(t)
  const expected = Array.from({ length: 40 }, (_, n) => String(n))
  const request = (name: string): Promise<void> =>
    app.run(async (scope) => {
      const tx = await scope.get(resources.transaction)
      insert(tx, name)
      await turn()
      if (Number(name) % 4 === 0) throw new Error('undone')
    })
  await within(Promise.allSettled(expected.map(request)))
  assert.deepEqual(
    committed(),
    expected.filter((name) => Number(name) % 4 !== 0),
  )
})

test('a request that is aborted while it waits gives up, and the next one gets the turn', async (t) => {
  const { app, resources, committed } = setUp(t)
  const held = Promise.withResolvers<void>()
  const first = app.run(async (scope) => {
    insert(await scope.get(resources.transaction), 'a')
    await held.promise
  })
  await quiet()
  const controller = new AbortController()
  const impatient = app.run({ signal: controller.signal }, (scope) =>
    scope.get(resources.transaction),
  )
  const patient = app.run(async (scope) => insert(await scope.get(resources.transaction), 'b'))
  assert.equal(await isPending(impatient), true)
  controller.abort(new Error('client left'))
  await assert.rejects(within(impatient), /client left/)
  assert.equal(await isPending(patient), true)
  held.resolve()
  await within(Promise.all([first, patient]))
  assert.deepEqual(committed(), ['a', 'b'])
})

test('after the request it is dead, and says which scope closed', async (t) => {
  const { app, resources } = setUp(t)
  let kept: SqliteTransaction | undefined
  await app.run({ name: 'checkout' }, async (scope) => {
    kept = await scope.get(resources.transaction)
  })
  assert.throws(() => kept?.prepare('select 1'), isDead)
  assert.throws(() => kept?.commit(), isDead)
  assert.equal(kept?.state, 'committed')
})

/** In the request "checkout", which has the transaction, or waits for it. */
async function checkWaitsForItself(scope: Scope, resources: SqliteResources): Promise<void> {
  const db = await scope.get(resources.database)
  const itself = withCode('ERR_SQLITE_BUSY', /checkout.*would never end/)
  await assert.rejects(within(db.write()), itself)
  const inner = scope.run({ kind: 'request' }, (nested) => nested.get(resources.transaction))
  await assert.rejects(within(inner), itself)
}

test('a request that would wait for itself is told so instead of hanging', async (t) => {
  const { app, resources, committed } = setUp(t)
  await app.run({ name: 'checkout' }, async (scope) => {
    const tx = await scope.get(resources.transaction)
    await checkWaitsForItself(scope, resources)
    insert(tx, 'a')
  })
  assert.deepEqual(committed(), ['a'])
})

test('so is one that asks behind its own transaction, while both wait for another request', async (t) => {
  const { app, resources, committed } = setUp(t)
  const held = Promise.withResolvers<void>()
  const first = app.run(async (scope) => {
    await scope.get(resources.transaction)
    await held.promise
  })
  await quiet()
  const second = app.run({ name: 'checkout' }, async (scope) => {
    const tx = scope.get(resources.transaction)
    await quiet()
    await checkWaitsForItself(scope, resources)
    held.resolve()
    insert(await tx, 'a')
  })
  await within(Promise.all([first, second]))
  assert.deepEqual(committed(), ['a'])
})

test('a request whose nested one gave up waiting may ask again', async (t) => {
  const { app, resources, committed } = setUp(t)
  const held = Promise.withResolvers<void>()
  const first = app.run(async (scope) => {
    await scope.get(resources.transaction)
    await held.promise
  })
  await quiet()
  const second = app.run(async (scope) => {
    const db = await scope.get(resources.database)
    const nested = app.child({ name: 'nested', timeout: 1 })
    await assert.rejects(nested.get(resources.transaction), { name: 'TimeoutError' })
    const asked = nested.enter(() => db.write())
    held.resolve()
    await using tx = await asked
    insert(tx, 'a')
    tx.commit()
    await nested.close()
  })
  await within(Promise.all([first, second]))
  assert.deepEqual(committed(), ['a'])
})

test('one that is held for too long is reported with its scope and where it was acquired', async (t) => {
  const { app, resources } = setUp(t, { slowWrite: 1 })
  const warning = nextWarning()
  await app.run({ name: 'checkout' }, async (scope) => {
    await acquireForReport(scope, resources)
    const { code, message } = await warning
    assert.equal(code, 'UNWIND_SLOW_WRITE')
    assert.match(message, /test\.db" has been held by the scope "checkout" \(request s\w+\)/)
    assert.match(
      message,
      /acquired at acquireForReport \(.*request-transaction\.test\.[jt]s:\d+:\d+\)/,
    )
  })
})

test('one that is held for too long is reported to the onError of its app, where there is one', async (t) => {
  const reported = Promise.withResolvers<[unknown, { scope: Scope; resource?: string }]>()
  const { resources } = setUp(t, { slowWrite: 1 })
  // What looks at slow writes keeps no process alive, and nothing else waits here.
  const alive = setInterval(() => {}, 1_000)
  t.after(() => clearInterval(alive))
  const app = createApp({ onError: (error, info) => reported.resolve([error, info]) })
  await app.run({ name: 'checkout' }, async (scope) => {
    await scope.get(resources.transaction)
    const [error, info] = await reported.promise
    assert.deepEqual([info.scope, info.resource], [scope, 'sqlite transaction'])
    assert.equal((error as { code: string }).code, 'UNWIND_SLOW_WRITE')
  })
  await app.close()
})

function acquireForReport(scope: Scope, resources: SqliteResources): Promise<SqliteTransaction> {
  return scope.get(resources.transaction)
}

/** The error of a transaction that was used after its request. */
function isDead(error: unknown): boolean {
  return (
    withCode('ERR_DISPOSED', /transaction on "[^"]*test\.db"/)(error) &&
    withCode('ERR_SCOPE_CLOSED', /checkout/)((error as Error).cause)
  )
}

test('used after its holder has ended it, it blames no scope that is open', async (t) => {
  const { app, resources } = setUp(t)
  for (const end of ['commit', 'rollback'] as const) {
    await app.run(async (scope) => {
      const tx = await scope.get(resources.transaction)
      tx[end]()
      assert.throws(
        () => insert(tx, 'late'),
        (error) => withCode('ERR_DISPOSED')(error) && (error as Error).cause === undefined,
      )
    })
  }
})
