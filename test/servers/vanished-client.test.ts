/** Clients that vanished without a FIN are found by what their servers are told to do, and their scopes close. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { vanished, vanishingNeeds } from '../support/vanished.ts'

/** `keepAlive` of the socket, and pings of the session: both are how a service finds them. */
const server = `
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createApp, currentScope } from 'unwind'
import { scoped } from 'unwind/http'

export async function serve(host, call, cut) {
  const app = createApp()
  const asked = []
  const listener = (name) => scoped(app, async (request, response) => {
    const scope = currentScope()
    const left = new Promise((resolve) => scope.signal.addEventListener('abort', resolve))
    asked.push({ name, left, scope })
    if (asked.length === 2) cut()
    await left
  })
  const plain = createServer({ keepAlive: true, keepAliveInitialDelay: 1_000 }, listener('http'))
  const http2 = createHttp2Server(listener('http2')).on('session', ping)
  await Promise.all([
    once(plain.listen(9001, host), 'listening'),
    once(http2.listen(9002, host), 'listening'),
  ])
  call()
  while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  for (const { name, left, scope } of asked.sort((a, b) => a.name.localeCompare(b.name))) {
    await left
    await scope.close().catch(() => {})
    console.log(name, scope.signal.reason.code, scope.state)
  }
  console.log(app.inspect().children.length)
}

function ping(session) {
  let answered = true
  const beat = setInterval(() => {
    if (!answered) return session.destroy()
    answered = false
    session.ping(() => (answered = true))
  }, 300)
  session.on('close', () => clearInterval(beat))
}
`

const client = `
import { get } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'

export function connect(host) {
  get({ host, port: 9001 }, (response) => response.resume()).on('error', () => {})
  const session = connectHttp2('http://' + host + ':9002')
  session.on('error', () => {})
  session.request({ ':path': '/' }).on('error', () => {}).resume()
}
`

test(
  'a client that vanished is found by keepAlive of http and by pings of http2, and its scope closes',
  { skip: vanishingNeeds(), timeout: 60_000 },
  async () => {
    const lines = await vanished({ server, client })
    assert.deepEqual(lines, [
      'http ERR_CLIENT_DISCONNECTED closed',
      'http2 ERR_CLIENT_DISCONNECTED closed',
      '0',
    ])
  },
)
