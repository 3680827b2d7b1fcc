/** `transactional()`: the options, the signal, the scope and the end of a part, whichever way it runs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { currentScope, override, value } from 'unwind'
import { transactional, type PgPool, type PgTransaction } from 'unwind/pg'

import { backendOf, deferred, Observer } from './support/database.ts'
import { boom, fails, setUp } from './support/transactional.ts'

test('the options are those of the transaction that begins', async () => {
  await using fixture = await setUp({ transaction: { isolation: 'repeatable read' } })
  const { app, db } = fixture
  const levelOf = async (tx: PgTransaction): Promise<unknown> =>
    (await tx.query("select current_setting('transaction_isolation') as level")).rows[0].level
  await app.run(async () => {
    const options = { isolation: 'serializable', readOnly: true, deferrable: true } as const
    assert.equal(await transactional(db, options, levelOf), 'serializable')
    const own = { propagation: 'requiresNew', isolation: 'read committed' } as const
    assert.equal(await transactional(db, own, levelOf), 'read committed')
  })
  await app.run(async () => {
    assert.equal(await transactional(db, levelOf), 'repeatable read')
  })
})

test('the options are those of the first part that still waits for it', async () => {
  await using fixture = await setUp({ max: 1 })
  const { app, db } = fixture
  await app.run(async (scope) => {
    const options = { isolation: 'serializable' } as const
    const other = await (await scope.get(db.pool)).acquire()
    const giveUp = new AbortController()
    const first = transactional(db, { ...options, signal: giveUp.signal }, fails)
    const second = transactional(db, options, async (tx) => {
      const { rows } = await tx.query("select current_setting('transaction_isolation') as level")
      return rows[0].level
    })
    giveUp.abort(boom)
    await assert.rejects(first, boom)
    await other[Symbol.asyncDispose]()
    assert.equal(await second, 'serializable')
  })
})

test('joined with other options, a part is refused with what they should have been', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await app.run(() =>
    transactional(db, { isolation: 'repeatable read' }, async (tx) => {
      for (const propagation of ['required', 'nested'] as const) {
        const join = (options: object) => transactional(db, { propagation, ...options }, () => 1)
        await assert.rejects(join({ isolation: 'serializable' }), {
          name: 'TypeError',
          message: /`isolation` of transactional\(\).*'repeatable read'.*'serializable'/,
        })
        await assert.rejects(join({ readOnly: true }), /`readOnly` of transactional\(\)/)
        await assert.rejects(join({ deferrable: true }), /`deferrable` of transactional\(\)/)
        const same = { isolation: 'repeatable read', readOnly: false, deferrable: false }
        assert.equal(await join(same), 1)
      }
      await insert(tx, 1)
    }),
  )
  assert.deepEqual(await values(), [1])
})

test('a signal ends the statement of a part and the part with its reason, whichever way that runs', async () => {
  await using observer = await Observer.start()
  await using fixture = await setUp()
  const { app, db } = fixture
  for (const propagation of ['required', 'nested', 'requiresNew'] as const) {
    const reason = new Error(propagation)
    await assert.rejects(
      app.run(async (scope) => {
        const controller = new AbortController()
        const { signal } = controller
        const running = deferred<number>()
        const part = transactional(db, { propagation, signal }, async (tx) => {
          running.resolve(await backendOf(tx))
          const sleeping = tx.query('select pg_sleep(60)')
          sleeping.catch(() => {})
          await (await scope.get(db.connection)).query('select 1').catch(() => {})
          await sleeping
        })
        part.catch(() => {})
        await observer.untilRunning(await running.promise, 'pg_sleep')
        controller.abort(reason)
        await part
      }),
      (error) => error === reason,
    )
    const early = AbortSignal.abort(reason)
    await app.run(async () => {
      await assert.rejects(
        transactional(db, { propagation, signal: early }, () => 1),
        (error) => error === reason,
      )
    })
  }
})

test('what a part fails with by itself after the abort of its signal is not lost, whichever way it runs', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  for (const propagation of ['required', 'nested', 'requiresNew'] as const) {
    const controller = new AbortController()
    const { signal } = controller
    const failure = new Error(propagation)
    const run = app.run(() =>
      transactional(db, { propagation, signal }, async () => {
        controller.abort()
        await Promise.reject(failure)
      }),
    )
    await assert.rejects(run, (error) => error === failure)
  }
})

test('what is sent in a part after the abort of its signal is refused with the reason, whichever way it runs', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  for (const propagation of ['required', 'nested', 'requiresNew'] as const) {
    const reason = new Error(propagation)
    const controller = new AbortController()
    const { signal } = controller
    // Asserted outside, where a failing assertion is told as one.
    const late: unknown[] = []
    const part = async (tx: PgTransaction): Promise<void> => {
      const begun = tx.cursor('select generate_series(1, 3)')
      await begun.read(1)
      await using savepoint = await tx.savepoint()
      controller.abort(reason)
      const uses = [tx, savepoint].flatMap((at) => [
        () => at.query('select 1'),
        () => at.cursor('select 1').read(1),
        () => at.tryAdvisoryLock(1),
      ])
      for (const use of [() => begun.read(1), ...uses, () => savepoint.commit()]) {
        late.push(await use().catch((error: unknown) => error))
      }
    }
    const run = app.run(() =>
      transactional(db, async (tx) => {
        await assert.rejects(transactional(db, { propagation, signal }, part), reason)
        await tx.query('select 1')
      }),
    )
    if (propagation !== 'required') await run
    else await assert.rejects(run, { code: 'ERR_PG_UNEXPECTED_ROLLBACK', cause: reason })
    assert.deepEqual(new Set(late), new Set([reason]))
  }
})

test('a cursor of the whole that is read in a nested part goes on after that, whatever becomes of its signal', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  const controller = new AbortController()
  const { signal } = controller
  await app.run(() =>
    transactional(db, async (tx) => {
      const cursor = tx.cursor('select generate_series(1, 2) as n')
      await transactional(db, { propagation: 'nested', signal }, () => cursor.read(1))
      controller.abort()
      assert.deepEqual(await cursor.read(1), [{ n: 2 }])
    }),
  )
})

test('afterCommit of a part runs when the transaction that it is in has committed', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  const done: string[] = []
  await app.run(async () => {
    await transactional(db, (tx) => tx.afterCommit(() => done.push('required')))
    await transactional(db, { propagation: 'nested' }, (tx) =>
      tx.afterCommit(() => done.push('nested')),
    )
    await transactional(db, { propagation: 'requiresNew' }, (tx) =>
      tx.afterCommit(() => done.push('requiresNew')),
    )
    assert.deepEqual(done, ['requiresNew'])
  })
  assert.deepEqual(done, ['requiresNew', 'required', 'nested'])
})

test('afterCommit of requiresNew may ask the pool for a connection: that of its transaction is back', async () => {
  await using fixture = await setUp({ max: 2 })
  const { app, db, insert, values } = fixture
  await app.run(async (scope) => {
    const pool = await scope.get(db.pool)
    await scope.get(db.connection)
    await transactional(db, { propagation: 'requiresNew' }, (tx) =>
      tx.afterCommit(async () => {
        assert.equal(pool.stats().leased, 1)
        await insert(pool, 1)
      }),
    )
  })
  assert.deepEqual(await values(), [1])
})

test('a body runs in a scope of its own for nested and requiresNew, and what it opens there is closed before its end', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await app.run(async (outer) => {
    for (const propagation of ['nested', 'requiresNew'] as const) {
      await transactional(db, { propagation }, (tx) => {
        assert.notEqual(currentScope(), outer)
        currentScope().defer(() => insert(tx, 1))
      })
    }
  })
  assert.deepEqual(await values(), [1, 1])
})

test('transactional() takes a transaction that somebody put in the place of the real one', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  const fake = { query: async () => ({ rows: [] }), state: 'open' } as unknown as PgTransaction
  await app.run({ overrides: [override(db.transaction, value(fake))] }, async () => {
    assert.equal(await transactional(db, (tx) => tx), fake)
    await assert.rejects(transactional(db, fails), (error) => error === boom)
  })
})

test('requiresNew disposes a transaction of a pool that somebody replaced, as it does its connection', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  const calls: string[] = []
  const call = (name: string) => async () => void calls.push(name)
  const tx = { state: 'open', commit: call('commit'), [Symbol.asyncDispose]: call('transaction') }
  const lease = { begin: async () => tx, [Symbol.asyncDispose]: call('connection') }
  // Its other methods are not called.
  const fake = { acquire: async () => lease } as unknown as PgPool
  await app.run({ overrides: [override(db.pool, value(fake))] }, () =>
    transactional(db, { propagation: 'requiresNew' }, () => {}),
  )
  assert.deepEqual(calls, ['commit', 'transaction', 'connection'])
})

test('outside of a scope, and with wrong arguments, it says what is wrong', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  await assert.rejects(
    transactional(db, () => 1),
    { code: 'ERR_NO_SCOPE', message: /^transactional\(\) was called outside every scope/ },
  )
  await app.run(async () => {
    await assert.rejects(
      transactional(db, { propagation: 'mandatory' as never }, () => 1),
      {
        name: 'TypeError',
        message: /`propagation` of transactional\(\).*'required' or 'requiresNew' or 'nested'/,
      },
    )
    await assert.rejects(transactional(db, {}, 7 as never), /the body given to transactional\(\)/)
    await assert.rejects(transactional(db, 7 as never), /the body given to transactional\(\)/)
    const unset = [undefined, () => 5] as unknown as [() => number]
    assert.equal(await transactional(db, ...unset), 5)
    const backwards = [() => 1, { propagation: 'nested' }] as unknown as [() => number]
    await assert.rejects(
      transactional(db, ...backwards),
      /options of transactional\(\) to be its first/,
    )
    for (const given of [db.transaction, await app.get(db.pool)]) {
      await assert.rejects(
        transactional(given as never, () => 1),
        /what pgResources\(\) returned/,
      )
    }
  })
})
