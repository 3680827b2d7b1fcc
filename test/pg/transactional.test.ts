/** Parts of a request's work as transactions, as users of declarative transactions expect them (required, nested, requiresNew). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, currentScope, inject, override, value, type App } from 'unwind'
import { pgResources, transactional, type PgResources, type PgTransaction } from 'unwind/pg'

import { backendOf, deferred, newPool, newTable, Observer, until } from './support/database.ts'

const boom = new Error('boom')
const unexpected = {
  name: 'PgUnexpectedRollbackError',
  code: 'ERR_PG_UNEXPECTED_ROLLBACK',
  cause: boom,
}

interface Fixture extends AsyncDisposable {
  readonly app: App
  readonly db: PgResources
  insert(tx: { query(text: string, values: unknown[]): Promise<unknown> }, v: number): Promise<void>
  values(): Promise<unknown[]>
}

async function setUp({
  max = 2,
  ...rest
}: { max?: number } & Parameters<typeof pgResources>[1] = {}): Promise<Fixture> {
  const table = await newTable()
  const app = createApp()
  return {
    app,
    db: pgResources(() => newPool({ max }), rest),
    async insert(tx, v) {
      await tx.query(`insert into ${table.name} values ($1)`, [v])
    },
    values: () => table.values(),
    async [Symbol.asyncDispose]() {
      await app.close()
      await table[Symbol.asyncDispose]()
    },
  }
}

async function fails(): Promise<never> {
  throw boom
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
  const exhausted = { name: 'PgPoolExhaustedError', code: 'ERR_PG_POOL_EXHAUSTED', message: /max/ }
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

test('outside of a scope, and with wrong arguments, it says what is wrong', async () => {
  await using fixture = await setUp()
  const { app, db } = fixture
  await assert.rejects(
    transactional(db, () => 1),
    { code: 'ERR_NO_SCOPE' },
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
