/** No loss of a connection ends the process, whoever holds it at that moment; each in a process of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

import { databaseUrl } from './support/database.ts'

/** What stands when every backend of the pool is terminated, and what is seen of that. */
const situations: Record<string, string> = {
  'nobody holds it': `
    await lease[Symbol.asyncDispose]()
    await terminate()
    await lost`,
  'it is leased and quiet': `
    await terminate()
    await lost
    await rejects(lease.query('select 1'), 'ERR_PG_CONNECTION_LOST')
    await lease[Symbol.asyncDispose]()`,
  'a statement is in flight': `
    const running = rejects(lease.query('select pg_sleep(60)'), '57P01')
    await terminate()
    await running
    await lost
    await lease[Symbol.asyncDispose]()`,
  'a statement is in flight that nobody waits for, and its lease is released': `
    void lease.query('select pg_sleep(60)')
    const released = lease[Symbol.asyncDispose]()
    await terminate()
    await released`,
  'a transaction is open': `
    const tx = await lease.begin()
    await terminate()
    await lost
    if (tx.state !== 'failed') throw new Error(tx.state)
    await rejects(tx.query('select 1'), 'ERR_PG_CONNECTION_LOST')
    await tx[Symbol.asyncDispose]()
    await lease[Symbol.asyncDispose]()`,
  'its transaction is idle for longer than the server allows': `
    await lease.query("set idle_in_transaction_session_timeout = '20ms'")
    const tx = await lease.begin()
    await lost
    await tx[Symbol.asyncDispose]()
    await lease[Symbol.asyncDispose]()`,
  'it is being cancelled': `
    const controller = new AbortController()
    const running = lease.query('select pg_sleep(60)', [], { signal: controller.signal })
    controller.abort()
    await Promise.all([running.catch(() => {}), terminate()])
    await lease[Symbol.asyncDispose]()`,
  'its pool is being disposed': `
    const disposed = pool[Symbol.asyncDispose]()
    await terminate()
    await lost
    await lease[Symbol.asyncDispose]()
    await disposed`,
}

for (const [situation, script] of Object.entries(situations)) {
  test(`a connection that breaks while ${situation} does not end the process`, async (t) => {
    const source = `
      import pg from ${JSON.stringify(import.meta.resolve('pg'))}
      import { pgPool } from ${JSON.stringify(import.meta.resolve('unwind/pg'))}
      const connectionString = process.env.DATABASE_URL
      const application_name = 'crash ' + process.pid
      const raw = new pg.Pool({ connectionString, application_name, max: 1 })
      const lost = new Promise((resolve) => raw.on('connect', (client) => client.once('end', resolve)))
      const pool = pgPool(() => raw, { grace: 5_000 })
      const observer = new pg.Client({ connectionString })
      await observer.connect()
      const lease = await pool.acquire()
      await lease.query('select 1')
      async function terminate() {
        await observer.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [application_name])
      }
      async function rejects(statement, code) {
        const error = await statement.then(() => { throw new Error('It did not reject.') }, (error) => error)
        if (error.code !== code) throw error
      }
      ${script}
      if (pool.stats().leased !== 0) throw new Error('A lease is lost.')
      await pool[Symbol.asyncDispose]()
      await observer.end()
    `
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, DATABASE_URL: databaseUrl() },
    })
    t.after(() => child.kill('SIGKILL'))
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, 0, said)
  })
}
