import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Scope } from 'unwind'
import { pgResources } from 'unwind/pg'

import { backendOf, newPool, newTable, Observer } from '../pg/support/database.ts'
import { Peer } from './support/client.ts'
import { plainKinds } from './support/kinds.ts'
import { Site } from './support/site.ts'

for (const kind of plainKinds) {
  describe(`a request with ${kind.name} on PostgreSQL`, () => {
    test('whose client leaves has its statement cancelled on the server, and its connection is as good as new', async () => {
      await using observer = await Observer.start()
      const db = pgResources(() => newPool())
      const running = Promise.withResolvers<number>()
      let failure: unknown
      await using site = await Site.serve(kind, async ({ scope, path }) => {
        const connection = await scope.get(db.connection)
        const pid = await backendOf(connection)
        if (path !== '/slow') return { body: String(pid) }
        running.resolve(pid)
        try {
          await connection.query('select pg_sleep(600)', [], { signal: scope.signal })
        } catch (error) {
          failure = error
          throw error
        }
        return {}
      })
      using peer = await Peer.connect(site)
      peer.get('/slow')
      const pid = await running.promise
      await observer.untilRunning(pid, 'pg_sleep')
      peer.reset()
      assert.deepEqual(await site.statuses(), ['aborted'])
      assert.equal((failure as { code?: string }).code, 'ERR_CLIENT_DISCONNECTED')
      assert.equal((await kind.ask(site, '/')).body, String(pid))
      assert.deepEqual(site.reported, [])
    })

    test('is told by Server-Timing what each acquisition cost, once', async () => {
      const db = pgResources(() => newPool({ max: 2 }))
      const body = async ({ scope }: { scope: Scope }): Promise<object> => {
        await scope.get(db.transaction)
        const pool = await scope.get(db.pool)
        await pool.query('select 1')
        return {}
      }
      await using site = await Site.serve(kind, body, { serverTiming: true })
      const { headers } = await kind.ask(site, '/')
      const metrics = String(headers['server-timing']).matchAll(/([\w.]+)-acquire/g)
      const names = Array.from(metrics, ([, name]) => name)
      assert.deepEqual(names, ['pg.pool', 'pg.connection', 'pg.transaction', 'pg.lease'])
    })

    test('that is abandoned loses its connection, which is destroyed and not used again', async () => {
      await using observer = await Observer.start()
      const db = pgResources(() => newPool())
      const running = Promise.withResolvers<number>()
      const options = { abandonAfter: 20 }
      await using site = await Site.serve(
        kind,
        async ({ scope, path }) => {
          const connection = await scope.get(db.connection)
          const pid = await backendOf(connection)
          if (path !== '/stuck') return { body: String(pid) }
          running.resolve(pid)
          return new Promise(() => {})
        },
        options,
      )
      using peer = await Peer.connect(site)
      peer.get('/stuck')
      const pid = await running.promise
      peer.reset()
      assert.deepEqual(await site.statuses(), ['aborted'])
      await observer.untilGone(pid)
      assert.notEqual((await kind.ask(site, '/')).body, String(pid))
    })

    if (kind.seesResult) {
      test('commits before its client has the answer, and rolls back what failed', async () => {
        await using table = await newTable()
        const db = pgResources(() => newPool())
        await using site = await Site.serve(kind, async ({ scope, path }) => {
          await insert(scope, 1)
          if (path === '/fails') throw new Error('no')
          return { status: 201, body: 'done' }
        })
        async function insert(scope: Scope, v: number): Promise<void> {
          const tx = await scope.get(db.transaction)
          await tx.query(`insert into ${table.name} values ($1)`, [v])
        }
        assert.equal((await kind.ask(site, '/')).status, 201)
        assert.deepEqual(await table.values(), [1])
        assert.equal((await kind.ask(site, '/fails')).status, 500)
        assert.deepEqual(await table.values(), [1])
      })

      test('whose commit fails is a 500 and never its 201', async () => {
        await using observer = await Observer.start()
        await using table = await newTable()
        await observer.query(
          `alter table ${table.name} add constraint u_${table.name} unique (v) deferrable initially deferred`,
        )
        const db = pgResources(() => newPool())
        await using site = await Site.serve(kind, async ({ scope }) => {
          const tx = await scope.get(db.transaction)
          await tx.query(`insert into ${table.name} values (1), (1)`)
          return { status: 201, body: 'done' }
        })
        assert.equal((await kind.ask(site, '/')).status, 500)
        assert.deepEqual(await table.values(), [])
        assert.deepEqual(await site.statuses(), ['failure'])
      })
    } else {
      test('that answers by itself commits before; a route that throws commits nothing', async () => {
        await using table = await newTable()
        const db = pgResources(() => newPool())
        await using site = await Site.serve(kind, async ({ scope, path }) => {
          const tx = await scope.get(db.transaction)
          await tx.query(`insert into ${table.name} values (1)`)
          if (path === '/fails') throw new Error('no')
          await tx.commit()
          return { status: 201, body: 'done' }
        })
        assert.equal((await kind.ask(site, '/')).status, 201)
        assert.deepEqual(await table.values(), [1])
        assert.equal((await kind.ask(site, '/fails')).status, 500)
        assert.deepEqual(await site.statuses(), ['success', 'failure'])
        assert.deepEqual(await table.values(), [1])
      })
    }
  })
}
