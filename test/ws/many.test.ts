/** Many sockets that end at once: nothing of them stays. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { usedHeap } from '../core/support/gc.ts'
import { quiet } from '../core/support/promises.ts'
import { urlOf } from './support/peers.ts'
import { Service } from './support/service.ts'
import { watchTimers } from './support/timers.ts'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))
const crowd = 1_000

const clients = `
import { once } from 'node:events'
import { WebSocket } from 'ws'
const [url, count] = process.argv.slice(-2)
for (let i = 0; i < count; i += 50) {
  const batch = Array.from({ length: 50 }, () => new WebSocket(url))
  await Promise.all(batch.map((socket) => once(socket, 'open')))
  for (const socket of batch) socket.send('hello')
}
process.send('all are here')
setInterval(() => {}, 60_000)
`

/** Let a crowd in from a process of its own, and kill that process when everybody is being served. */
async function comeAndVanish(
  t: TestContext,
  service: Service,
  served: () => number,
): Promise<void> {
  const before = served()
  const parameters = [
    '--input-type=module',
    '--eval',
    clients,
    urlOf(service.server),
    String(crowd),
  ]
  const child = spawn(process.execPath, parameters, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  while (served() < before + crowd) await quiet()
  assert.equal(service.app.inspect().children.length, crowd)
  child.kill('SIGKILL')
  await once(child, 'close')
  while (service.app.inspect().children.length > 0 || service.server.clients.size > 0) await quiet()
}

async function openFiles(): Promise<number> {
  try {
    return (await readdir('/proc/self/fd')).length
  } catch {
    // Systems other than Linux do not tell.
    return 0
  }
}

test(
  '1,000 sockets killed at once: all scopes closed, timers, files and memory back to where they were',
  { timeout: 120_000 },
  async (t) => {
    let served = 0
    const ends = { aborted: 0, others: 0 }
    await using service = await Service.open(t, async (socket, scope) => {
      scope.defer(({ status }) => (status === 'aborted' ? (ends.aborted += 1) : (ends.others += 1)))
      for await (const _message of socket) served += 1
    })
    // What is made once is made in the first round.
    await comeAndVanish(t, service, () => served)
    service.watched.length = 0
    using timers = watchTimers()
    const files = await openFiles()
    const heap = await usedHeap()
    await comeAndVanish(t, service, () => served)
    service.watched.length = 0
    await quiet()
    assert.deepEqual(ends, { aborted: 2 * crowd, others: 0 })
    assert.deepEqual(service.reported, [])
    // The core has one sweep for all scopes, which stops when nobody needs it.
    assert.ok(timers.alive <= 1, `${timers.alive} timers`)
    assert.equal(await openFiles(), files)
    const grown = (await usedHeap()) - heap
    // A tenth of what 1,000 sockets take.
    assert.ok(grown < 1024 * 1024, `${grown} bytes more`)
  },
)
