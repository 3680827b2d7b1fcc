/** Parts of a request's work as transactions, as users of declarative transactions expect them (required, nested, requiresNew). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inject } from 'unwind'
import { transactional } from 'unwind/pg'

import { backendOf, until } from './support/database.ts'
import { boom, fails, setUp } from './support/transactional.ts'

const unexpected = {
  name: 'PgUnexpectedRollbackError',
  code: 'ERR_PG_UNEXPECTED_ROLLBACK',
  cause: boom,
}

test('required: all parts of a request share one transaction on one connection, which commits with the request', async () => {
  await using fixture = await setUp({ max: 1 })
  const { app, db, insert, values } = fixture
  const pids = new Set<number>()
  const result = await app.run(async (scope) => {
    await insert(await scope.get(db.transaction), 1)
    const got = await transactional(db, async (tx) => {
      assert.equal(await inject(db.transaction), tx)
      pids.add(await backendOf(tx))
      await insert(tx, 2)
      await transactional(db, async (inner) => {
        assert.equal(inner, tx)
        pids.add(await backendOf(await inject(db.connection)))
        await insert(inner, 3)
      })
      return 'value'
    })
    await Promise.all([4, 5].map((v) => transactional(db, (tx) => insert(tx, v))))
    assert.deepEqual(await values(), [], 'nothing is committed yet')
    return got
  })
  assert.equal(result, 'value')
  assert.equal(pids.size, 1)
  assert.deepEqual(await values(), [1, 2, 3, 4, 5])
})

test('required: the error of a part ends the whole', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await assert.rejects(
    app.run(async () => {
      await transactional(db, (tx) => insert(tx, 1))
      await transactional(db, fails)
    }),
    (error) => error === boom,
  )
  assert.deepEqual(await values(), [])
})

test('required: the whole cannot commit when the error of a part is caught, by the request or by a part around it', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await assert.rejects(
    app.run(async (scope) => {
      const tx = await scope.get(db.transaction)
      await insert(tx, 1)
      await transactional(db, fails).catch(() => {})
      await insert(tx, 2)
    }),
    unexpected,
  )
  await assert.rejects(
    app.run(() =>
      transactional(db, async (tx) => {
        await insert(tx, 3)
        await transactional(db, fails).catch(() => {})
      }),
    ),
    unexpected,
  )
  await assert.rejects(
    app.run(async (scope) => {
      await transactional(db, fails).catch(() => {})
      const tx = await scope.get(db.transaction)
      await assert.rejects(tx.commit(), unexpected)
      assert.equal(tx.state, 'rolled back')
      throw boom
    }),
    (error) => error === boom,
  )
  assert.deepEqual(await values(), [])
})

test('nested: a part that fails is undone alone, and one that succeeds is kept with the whole', async () => {
  await using fixture = await setUp({ max: 1 })
  const { app, db, insert, values } = fixture
  await app.run(() =>
    transactional(db, async (tx) => {
      await insert(tx, 1)
      await assert.rejects(
        transactional(db, { propagation: 'nested' }, async (part) => {
          assert.notEqual(part, tx)
          assert.equal(await inject(db.transaction), part)
          await insert(part, 2)
          await part.query('select 1/0').catch(() => {})
          throw boom
        }),
        (error) => error === boom,
      )
      await transactional(db, { propagation: 'nested' }, async (part) => {
        await insert(part, 3)
        await transactional(db, async (joined) => {
          assert.equal(joined, part, 'a part of the savepoint')
          await insert(joined, 4)
        })
      })
      assert.equal(await inject(db.transaction), tx)
      await insert(tx, 5)
    }),
  )
  assert.deepEqual(await values(), [1, 3, 4, 5])
})

test('nested: a joined part that failed and was caught undoes the savepoint, and not the whole', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await app.run(() =>
    transactional(db, async (tx) => {
      await insert(tx, 1)
      await assert.rejects(
        transactional(db, { propagation: 'nested' }, async (part) => {
          await insert(part, 2)
          await transactional(db, fails).catch(() => {})
        }),
        unexpected,
      )
      await insert(tx, 3)
    }),
  )
  assert.deepEqual(await values(), [1, 3])
})

test('nested: two at a time are refused, and not mixed', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  await app.run(async () => {
    const nested = () =>
      transactional(db, { propagation: 'nested' }, (tx) => tx.query('select pg_sleep(0.02)'))
    const results = await Promise.allSettled([nested(), nested()])
    const refused = results.filter((one) => one.status === 'rejected')
    assert.equal(refused.length, 1)
    assert.equal(refused[0]?.reason.code, 'ERR_PG_TRANSACTION_OPEN')
  })
})

test('requiresNew: a part of its own on another connection, which commits although the whole rolls back', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await assert.rejects(
    app.run(() =>
      transactional(db, async (tx) => {
        await insert(tx, 1)
        await transactional(db, { propagation: 'requiresNew' }, async (own) => {
          assert.equal(await inject(db.transaction), own)
          const backend = await backendOf(own)
          assert.notEqual(backend, await backendOf(tx))
          assert.equal(await backendOf(await inject(db.connection)), backend)
          await insert(own, 2)
          await transactional(db, (joined) => insert(joined, 3))
        })
        assert.deepEqual(await values(), [2, 3])
        assert.equal(await inject(db.transaction), tx)
        throw boom
      }),
    ),
    (error) => error === boom,
  )
  assert.deepEqual(await values(), [2, 3])
})

test('requiresNew: its failure undoes it alone, and its connection goes back', async () => {
  await using fixture = await setUp()
  const { app, db, insert, values } = fixture
  await app.run(async (scope) => {
    const pool = await scope.get(db.pool)
    await transactional(db, (tx) => insert(tx, 1))
    for (let turn = 0; turn < 5; turn += 1) {
      await assert.rejects(
        transactional(db, { propagation: 'requiresNew' }, async (own) => {
          await insert(own, 2)
          throw boom
        }),
        (error) => error === boom,
      )
    }
    assert.equal(pool.stats().leased, 1)
  })
  assert.deepEqual(await values(), [1])
})

test('requiresNew: on a pool that this scope keeps exhausted it fails at once, and says so', async () => {
  await using fixture = await setUp({ max: 1 })
  const { app, db, insert, values } = fixture
  const exhausted = {
    name: 'PgPoolExhaustedError',
    code: 'ERR_PG_POOL_EXHAUSTED',
    message: /\(`max` is 1\) are in use, one of them by the scope .*\bs\w+\)? itself/,
  }
  const own = () => transactional(db, { propagation: 'requiresNew' }, (tx) => insert(tx, 2))
  await app.run(async (scope) => {
    await scope.get(db.connection)
    await assert.rejects(own(), exhausted)
    await transactional(db, (tx) => insert(tx, 1))
  })
  await app.run(async () => {
    await transactional(db, { propagation: 'requiresNew' }, async () => {
      await assert.rejects(own(), exhausted)
    })
  })
  await app.run(async (scope) => {
    const pool = await scope.get(db.pool)
    await using _lease = await pool.acquire()
    await assert.rejects(own(), exhausted)
  })
  assert.deepEqual(await values(), [1])
})

test('requiresNew: on a pool that others keep exhausted it waits for them', async () => {
  await using fixture = await setUp({ max: 1 })
  const { app, db, insert, values } = fixture
  const pool = await app.get(db.pool)
  const lease = await pool.acquire()
  const waiting = app.run(() =>
    transactional(db, { propagation: 'requiresNew' }, (tx) => insert(tx, 1)),
  )
  await until(() => pool.stats().waiting > 0, 'it waits')
  await lease[Symbol.asyncDispose]()
  await waiting
  assert.deepEqual(await values(), [1])
})
