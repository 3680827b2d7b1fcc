/** What `listen()` cannot do, it says at once. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { closing } from 'unwind/node'
import { pgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'
import { Wire } from './support/proxy.ts'

test('listen() rejects where it cannot listen: no server, one that breaks off, an abort, a pool that is disposed', async () => {
  const reason = new Error('enough')
  const silent = createServer((socket) => socket.on('error', () => {}).resume())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  await using _silent = closing(silent)
  const { port } = silent.address() as AddressInfo
  const nobody = { connectionString: undefined, host: '127.0.0.1' }
  await using pool = pgPool(() => newPool({ ...nobody, port }), { grace: 200 })
  await assert.rejects(pool.listen('a', { signal: AbortSignal.abort(reason) }), (e) => e === reason)

  const controller = new AbortController()
  const aborted = pool.listen('a', { signal: controller.signal })
  const inVain = pool.listen('a', { heartbeat: 100 })
  await new Promise(setImmediate)
  controller.abort(reason)
  await assert.rejects(aborted, (error) => error === reason)
  await assert.rejects(inVain, /200 ms/)

  await using refused = pgPool(() => newPool({ ...nobody, port: 1 }))
  await assert.rejects(refused.listen('a'), { code: 'ECONNREFUSED' })

  await using wire = await Wire.start()
  await using broken = pgPool(() => newPool({ connectionString: wire.url }))
  wire.onClientMessage = ({ type }) => {
    if (type === 'Q') wire.cut()
  }
  await assert.rejects(broken.listen('a'), /closed meanwhile \(LISTEN\)|terminated/)

  const disposed = pgPool(() => newPool())
  const connecting = disposed.listen('a')
  const result = assert.rejects(connecting, { code: 'ERR_DISPOSED' })
  await disposed[Symbol.asyncDispose]()
  await result
  await assert.rejects(disposed.listen('a'), { code: 'ERR_DISPOSED' })
})

test('a channel that PostgreSQL would cut, and a wrong option, is a TypeError that names it', async () => {
  await using pool = pgPool(() => newPool())
  for (const channel of ['', 'x'.repeat(64), 'ü'.repeat(32), 'a\0b', 7 as never]) {
    await assert.rejects(pool.listen(channel), { name: 'TypeError', message: /channel of listen/ })
  }
  await assert.rejects(pool.listen('a', { maxQueue: -1 }), /`maxQueue` of listen\(\)/)
  for (const heartbeat of [0, -1, 0.5, Number.NaN, Infinity, 2 ** 31]) {
    await assert.rejects(pool.listen('a', { heartbeat }), /`heartbeat` of listen\(\) .* from 1 to/)
  }
  await assert.rejects(pool.listen('a', { size: 1 } as never), /`size` of listen\(\)/)
  await using longest = await pool.listen('x'.repeat(63))
  assert.ok(longest)
})
