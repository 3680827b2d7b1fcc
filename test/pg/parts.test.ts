/** What a part of a request's work begins with, what it joins, and what a scope or a transaction of somebody else's makes of its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { currentScope, override, resource } from 'unwind'
import { transactional, type PgLease, type PgTransaction } from 'unwind/pg'

import { boom, setUp } from './support/transactional.ts'

test('an option that is undefined is none: the transaction begins with what it would have without it', async () => {
  await using fixture = await setUp({ transaction: { isolation: 'serializable', readOnly: true } })
  const { app, db } = fixture
  const unset = { isolation: undefined, readOnly: undefined } as object
  await app.run(() =>
    transactional(db, unset, async (tx) => {
      const { rows } = await tx.query(`select current_setting('transaction_isolation') as isolation,
        current_setting('transaction_read_only') as "readOnly"`)
      assert.deepEqual(rows, [{ isolation: 'serializable', readOnly: 'on' }])
    }),
  )
})

test('a part joins a transaction that is what it asks for, however the driver was told to read a boolean', async () => {
  await using fixture = await setUp({ types: { getTypeParser: () => String } })
  const { app, db } = fixture
  await app.run(() =>
    transactional(db, { readOnly: true }, async () => {
      await transactional(db, { readOnly: true, deferrable: false }, () => {})
      await assert.rejects(
        transactional(db, { readOnly: false }, () => {}),
        /`readOnly` of transactional\(\).* true.* false/,
      )
    }),
  )
})

test('a part whose signal aborts while it joins does not begin, and harms nobody', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await app.run(async (scope) => {
    const tx = await scope.get(db.transaction)
    const before = tx.query('select pg_sleep(0.05)')
    const controller = new AbortController()
    const part = transactional(db, { signal: controller.signal, readOnly: false }, () => {
      assert.fail('It began.')
    })
    setImmediate(() => controller.abort(boom))
    await assert.rejects(part, (error) => error === boom)
    await before
    await insert(tx, 1)
  })
  assert.deepEqual(await values(), [1])
})

for (const propagation of ['nested', 'requiresNew'] as const) {
  test(`${propagation}: a part whose scope fails is rolled back, although its body gives something`, async () => {
    await using fixture = await setUp()
    const { app, db, insert, values } = fixture
    let committed = false
    await app.run(() =>
      transactional(db, async (tx) => {
        await insert(tx, 1)
        const given = await transactional(db, { propagation }, async (part) => {
          await insert(part, 2)
          part.afterCommit(() => (committed = true))
          currentScope().fail(boom)
          return 'value'
        })
        assert.equal(given, 'value')
      }),
    )
    assert.deepEqual([await values(), committed], [[1], false])
  })

  test(`${propagation}: what a part has ended itself stays as it is when its scope fails`, async () => {
    await using fixture = await setUp()
    const { app, db, insert, values } = fixture
    await app.run(() =>
      transactional(db, { propagation }, async (part) => {
        await insert(part, 1)
        await part.commit()
        currentScope().fail(boom)
      }),
    )
    assert.deepEqual(await values(), [1])
  })
}

test('a transaction of a connection that somebody replaced is ended as one of ours', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  for (const state of ['open', 'failed', 'committed', 'rolled back'] as const) {
    for (const succeeds of [true, false]) {
      const calls: string[] = []
      const call = (name: string) => async () => void calls.push(name)
      const tx = { state, commit: call('commit'), rollback: call('rollback') }
      // Its other methods are not called.
      const lease = { begin: async () => tx } as unknown as PgLease
      const replaced = resource({ name: 'replaced', acquire: () => lease })
      const run = app.run({ overrides: [override(db.connection, replaced)] }, async (scope) => {
        await scope.get(db.transaction)
        if (!succeeds) throw boom
      })
      await run.catch((error: unknown) => assert.equal(error, boom))
      const isOpen = state === 'open' || state === 'failed'
      assert.deepEqual(calls, isOpen ? [succeeds ? 'commit' : 'rollback'] : [], state)
    }
  }
})

test('a body may fail with a promise, which nobody waits for', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  const never = new Promise(() => {})
  const part = async (tx: PgTransaction): Promise<void> => {
    await insert(tx, 1)
    // oxlint-disable-next-line typescript/only-throw-error -- as React does where it waits for something
    throw never
  }
  const failsWithIt = (running: Promise<void>): Promise<boolean> =>
    running.then(
      () => false,
      (error: unknown) => error === never,
    )
  const pool = await app.get(db.pool)
  assert.ok(await failsWithIt(pool.transaction(part)))
  assert.ok(await failsWithIt(pool.transaction({ retry: 1 }, part)))
  for (const propagation of ['required', 'nested', 'requiresNew'] as const) {
    assert.ok(await failsWithIt(app.run(() => transactional(db, { propagation }, part))))
  }
  assert.deepEqual([await values(), pool.stats().leased], [[], 0])
})
