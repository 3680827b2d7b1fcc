/** What a release does about session state: nothing where nothing was changed, and all of it where something was. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool, pgResources, type PgLease, type PgPool, type PgPoolOptions } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { backendOf, newPool } from './support/database.ts'
import { assertClean, prepare, use } from './support/next-holder.ts'

/** What a lease does, and what it must not leave behind. All of it is seen by `auto`. */
const changes: Record<string, string[]> = {
  'a setting': ["set statement_timeout = '7s'"],
  'a setting, in one message with others': ["select 1; set statement_timeout = '7s'; select 2"],
  'a setting under a comment': [
    "/* for reports */ set local statement_timeout = '1s'; set statement_timeout = '7s'",
  ],
  'a setting of one statement that looks like two': [
    "set local statement_timeout = '1s'; set statement_timeout = '7s'",
  ],
  'a setting by function': ["select set_config('statement_timeout', '7s', false)"],
  'a setting by function, under its name in quotes': [
    `select "set_config"('statement_timeout', '7s', false)`,
  ],
  'a setting by the view of them': [
    "update pg_settings set setting = '7s' where name = 'statement_timeout'",
  ],
  'a setting by function, beside one that is local': [
    "select set_config('work_mem', '1MB', true), set_config('statement_timeout', '7s', false)",
  ],
  'a setting by an anonymous block': [
    "do $$ begin perform set_config('statement_timeout', '7s', false); end $$",
  ],
  'a role': ['set role pg_monitor'],
  'a session authorization': ['set session authorization pg_monitor'],
  'a temporary table': ['create temp table leftover (v int)'],
  'a temporary table of a query': ['create temporary table leftover as select 1 as v'],
  'a temporary table selected into': ['select 1 as v into temp leftover'],
  'a session lock': ['select pg_advisory_lock(7)'],
  'a session lock that was only tried': ['select pg_try_advisory_lock_shared(7, 8)'],
  'a channel': ['listen leftovers'],
  'a cursor that outlived its transaction': [
    'begin',
    'declare leftover cursor with hold for select 1',
    'commit',
  ],
  'a statement that SQL prepared': ["set statement_timeout = '7s'", 'prepare leftover as select 1'],
  'statements that a script prepared, with any name': [
    'select 1; prepare "left ""over" as select 1; prepare "LEFTOVER" (int) as select $1',
  ],
  'a setting by function, whose value ends like a call for the transaction alone': [
    "select set_config('work_mem', '1MB', true), set_config('statement_timeout', left('7s, true)', 2), false)",
    "select set_config('statement_timeout', coalesce(null, '7s', true::text), false)",
  ],
  'a setting by function in a statement that is no SELECT': [
    "explain analyze select set_config('statement_timeout', '7s', false)",
  ],
  'a session lock of a cursor': [
    'begin',
    'declare locks cursor for select pg_advisory_lock(7)',
    'fetch 1 from locks',
    'commit',
  ],
  'a setting that a rollback brought back to another': [
    "set statement_timeout = '7s'",
    'begin',
    "set statement_timeout = '8s'",
    'rollback',
  ],
}

for (const [change, statements] of Object.entries(changes)) {
  test(`${change} is gone for the next holder, who has the same connection with its named statements`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
    const pid = await prepare(pool)
    await use(pool, async (lease) => {
      for (const statement of statements) await lease.query(statement)
    })
    await use(pool, (next) => assertClean(next, pid))
  })
}

test('a release costs no round trip where nothing was changed, and one where something was', async () => {
  const sent = async (options: PgPoolOptions, statements: readonly string[]): Promise<string[]> => {
    await using wire = await Wire.start()
    await using pool = pgPool(() => newPool({ connectionString: wire.url }), options)
    const lease = await pool.acquire()
    for (const statement of statements) await lease.query(statement)
    const messages: string[] = []
    wire.onClientMessage = ({ type, bytes }) => {
      if (type === 'Q') messages.push(bytes.toString('utf8', 5, bytes.length - 1))
    }
    await lease[Symbol.asyncDispose]()
    return messages
  }
  for (const harmless of [
    ['select 1'],
    ['insert into pg_temp.x select 1 where false'].slice(1),
    ['begin', "set local statement_timeout = '7s'", 'commit'],
    ['begin', "select set_config('statement_timeout', '7s', true)", 'commit'],
    ['begin', 'set transaction read only', 'commit'],
    ['begin', 'select pg_advisory_xact_lock(7)', 'commit'],
    ["select 'temp'", 'select 1 as created, 2 as into_temp'],
    ["select set_config('a.b', coalesce('c, false', (upper('d'))), true)"],
  ]) {
    assert.deepEqual(await sent({}, harmless), [], harmless.join('; '))
  }
  const [reset, ...more] = await sent({}, ["set statement_timeout = '7s'"])
  assert.match(reset ?? '', /RESET ALL/)
  assert.deepEqual(more, [])
  const both = await sent({}, ['begin', "set statement_timeout = '7s'"])
  assert.equal(both.length, 1)
  assert.match(both[0] ?? '', /^ROLLBACK; .*RESET ALL/)
  assert.deepEqual(await sent({}, ['begin']), ['ROLLBACK'])
  assert.deepEqual(await sent({ reset: 'never' }, ["set statement_timeout = '7s'"]), [])
  assert.equal((await sent({ reset: 'always' }, ['select 1'])).length, 1)
  assert.deepEqual(await sent({ reset: { sql: 'select 2', when: 'always' } }, []), ['select 2'])
  assert.deepEqual(await sent({ reset: { sql: 'select 2' } }, ['select 1']), [])
  assert.deepEqual(await sent({ reset: { sql: 'DISCARD ALL' } }, ['begin', 'listen x']), [
    'ROLLBACK',
    'DISCARD ALL',
  ])
})

test('what the answers of the server do not show is reset where it is said, or always', async () => {
  const change = `do $$ begin
      create or replace function pg_temp.hidden() returns void language plpgsql as
        $f$ begin perform set_config('statement_timeout', '7s', false); end $f$;
    end $$`
  const ways: [PgPoolOptions, (lease: PgLease) => unknown][] = [
    [{ reset: 'always' }, () => {}],
    [{}, (lease) => lease.markDirty()],
    [{}, (lease) => (lease.unsafeClient() as pg.ClientBase).query('prepare unseen as select 1')],
  ]
  for (const [options, tell] of ways) {
    await using pool = pgPool(() => newPool(), { grace: 60_000, ...options })
    const pid = await prepare(pool)
    await use(pool, async (lease) => {
      await lease.query(change)
      await lease.query('select pg_temp.hidden()')
      await tell(lease)
    })
    await use(pool, (next) => assertClean(next, pid))
  }
})

test('a connection whose named queries somebody dropped is replaced, and one without any is kept', async () => {
  const all = ['discard all', 'deallocate prepare all', 'deallocate all; select 1 / 0']
  const one = ['deallocate SURVIVOR', 'deallocate prepare "survivor"']
  for (const drop of [...all, ...one, "do $$ begin execute 'deallocate all'; end $$"]) {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
    const pid = await backendOf(pool)
    await use(pool, (lease) => lease.query(drop).catch(() => {}))
    assert.equal(await prepare(pool), pid, drop)
    await use(pool, (lease) => lease.query('prepare own as select 1; deallocate own'))
    assert.equal(await prepare(pool), pid)
    await use(pool, (lease) => lease.query(drop).catch(() => {}))
    assert.notEqual(await prepare(pool), pid, drop)
  }
})

test('what is never reset stays for the next holder', async () => {
  await using pool = pgPool(() => newPool(), { reset: 'never' })
  await pool.query("set statement_timeout = '7s'")
  const { rows } = await pool.query('show statement_timeout')
  assert.deepEqual(rows, [{ statement_timeout: '7s' }])
})

test("one's own statements replace the reset, and may be what cannot stand beside others", async () => {
  await using pool = pgPool(() => newPool(), { reset: { sql: 'DISCARD ALL' }, grace: 60_000 })
  const pid = await backendOf(pool)
  await use(pool, async (lease) => {
    await lease.begin()
    await lease.query("set statement_timeout = '7s'")
  })
  const { rows } = await pool.query(
    "select pg_backend_pid() as pid, current_setting('statement_timeout') as timeout",
  )
  assert.deepEqual(rows, [{ pid, timeout: '0' }])
})

test('what the pool gave every connection at its start survives the reset', async () => {
  const config = { options: '-c statement_timeout=9s', lock_timeout: 8_000 }
  await using pool = pgPool(() => newPool(config), { reset: 'always' })
  await pool.query("set statement_timeout = '7s'")
  const { rows } = await pool.query(
    "select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock",
  )
  assert.deepEqual(rows, [{ statement: '9s', lock: '8s' }])
})

test('what the pool sets up on each new connection is there for every holder', async () => {
  const setUp = "set role pg_monitor; set timezone = 'Asia/Tokyo'"
  const found = "select current_user::text as role, current_setting('timezone') as zone"
  const onConnect = (client: pg.ClientBase): void => void client.query(setUp)
  for (const raw of [
    newPool({ onConnect }),
    newPool().on('connect', (client) => void client.query(setUp)),
  ]) {
    await using pool = pgPool(() => raw)
    const pid = await backendOf(pool)
    assert.equal(await backendOf(pool), pid, 'nothing was changed')
    for (const change of ["set timezone = 'UTC'", 'listen something', 'begin; reset role']) {
      await use(pool, (lease) => lease.query(change))
      assert.deepEqual((await pool.query(found)).rows, [{ role: 'pg_monitor', zone: 'Asia/Tokyo' }])
    }
  }
})

test('so it is where whoever the connection was opened for gave up, or uses the pool itself', async () => {
  const openings: Record<string, (raw: pg.Pool, pool: PgPool) => Promise<unknown>> = {
    async 'gave up'(raw, pool) {
      const giveUp = new AbortController()
      const waiting = pool.acquire({ signal: giveUp.signal })
      const opened = once(raw, 'release')
      giveUp.abort()
      await assert.rejects(waiting, { name: 'AbortError' })
      await opened
    },
    'uses the pool itself': (raw) => raw.query('select 1'),
  }
  for (const [opening, open] of Object.entries(openings)) {
    const raw = newPool().on('connect', (client) => void client.query('set role pg_monitor'))
    await using pool = pgPool(raw, { own: true })
    await open(raw, pool)
    await pool.query("set timezone = 'UTC'")
    const { rows } = await pool.query('select current_user::text as role')
    assert.deepEqual(rows, [{ role: 'pg_monitor' }], opening)
  }
})

test("one's own reset keeps a connection on which the pool has set something up", async () => {
  const setUp = "set timezone = 'Asia/Tokyo'"
  const onConnect = (client: pg.ClientBase): void => void client.query(setUp)
  await using pool = pgPool(() => newPool({ onConnect }), { reset: { sql: `RESET ALL; ${setUp}` } })
  const pid = await backendOf(pool)
  await pool.query("set timezone = 'UTC'")
  const { rows } = await pool.query(
    "select pg_backend_pid() as pid, current_setting('timezone') as zone",
  )
  assert.deepEqual(rows, [{ pid, zone: 'Asia/Tokyo' }])
})

test("the driver's own client is what a lease stands for, until its release", async () => {
  const raw = newPool()
  await using pool = pgPool(() => raw)
  const clients: unknown[] = []
  raw.on('acquire', (client) => clients.push(client))
  const lease = await pool.acquire()
  const client = lease.unsafeClient() as pg.PoolClient
  assert.equal(client, clients[0])
  assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }])
  await lease[Symbol.asyncDispose]()
  assert.throws(() => lease.unsafeClient(), { code: 'ERR_DISPOSED' })
  assert.throws(() => lease.markDirty(), { code: 'ERR_DISPOSED' })
})

test("a client that was released behind the lease's back does not make its release fail", async () => {
  await using pool = pgPool(() => newPool())
  const lease = await pool.acquire()
  const client = lease.unsafeClient() as pg.PoolClient
  client.release()
  await lease[Symbol.asyncDispose]()
  assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }])
})

test('a reset that makes no sense is refused at the door', () => {
  for (const reset of ['sometimes', { when: 'auto' }, { sql: 7 }, { sql: '', when: 'never' }]) {
    assert.throws(() => pgPool(() => newPool(), { reset } as never), {
      name: 'TypeError',
      message: /`reset` of pgPool\(\)/,
    })
  }
})

test('a reset that is asked for is refused where there is no session to reset', async () => {
  for (const reset of ['always', { sql: 'DISCARD ALL' }] as const) {
    for (const [name, make] of Object.entries({ pgPool, pgResources })) {
      assert.throws(() => make(() => newPool(), { transactionPooling: true, reset }), {
        name: 'TypeError',
        message: new RegExp(`option \`reset\` of ${name}\\(\\) with \`transactionPooling\``),
      })
    }
  }
  for (const reset of ['auto', 'never'] as const) {
    await using _pool = pgPool(() => newPool(), { transactionPooling: true, reset })
  }
})
