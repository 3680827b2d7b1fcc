/** What the engine has compiled for leases is there after a quiet moment of their pool. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { databaseUrl } from './support/database.ts'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))

const source = `
  import { setTimeout as sleep } from 'node:timers/promises'
  import pg from 'pg'
  import { pgPool } from 'unwind/pg'
  class Forgotten { first = {}; second = 2 }
  function forgotten() { return new Forgotten() }
  const pool = pgPool(() => new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 }))
  const kept = []
  async function work(times) {
    for (let i = 0; i < times; i++) {
      kept[0] = forgotten()
      await pool.transaction((tx) => tx.query('select 1'))
    }
  }
  for (let round = 0; round < 3; round++) {
    await work(3_000)
    // The compiler works beside it, and what it has made is taken up by the next calls.
    await sleep(20)
    await work(100)
    kept[0] = undefined
    await sleep(1)
    gc()
  }
  await pool[Symbol.asyncDispose]()
`

test('a collection of all garbage, between two leases, leaves what was compiled for them', async () => {
  const flags = ['--expose-gc', '--trace-deopt', '--input-type=module', '--eval']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, source], {
    cwd: root,
    env: { ...process.env, DATABASE_URL: databaseUrl() },
    maxBuffer: 2 ** 26,
  })
  const given = stdout.split('\n').filter((line) => line.includes('weak objects'))
  const names = given.map(
    (line) => /SharedFunctionInfo (?<name>[#\w]+)/.exec(line)?.groups?.['name'],
  )
  // Of what nobody keeps an example, the code is given up: were it not so, this would show nothing.
  assert.ok(names.some((name) => name === 'forgotten' || name === 'work'))
  const own = 'Lease Waiter Statement Transaction Ticket #lend #giveBack'.split(' ')
  assert.deepEqual(
    own.filter((name) => names.includes(name)),
    [],
  )
})
