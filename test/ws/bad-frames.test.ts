/** Frames that no peer may send: the connection ends, and nothing else does. In a process of its own, which would die. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { script } from '../core/support/script.ts'

/**
 * A server with two visitors: one sends `frame` in raw bytes, the other says hello before and after. Prints what became
 * of the first, and what the second heard.
 */
function visited(frame: string, serve: string): Promise<string[]> {
  return script(`
    import { once } from 'node:events'
    import { connect as dial } from 'node:net'
    import { WebSocketServer } from 'ws'
    import { connect, serveSockets, socket } from 'unwind/ws'

    const options = { heartbeat: 0, grace: 500 }
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 1024 })
    await once(server, 'listening')
    const { port } = server.address()
    const ended = Promise.withResolvers()
    const app = createApp({ onError: (error) => console.log('reported', error.code) })
    ${serve}
    const url = 'ws://127.0.0.1:' + port
    const guest = await connect(url + '/guest')
    const heard = guest[Symbol.asyncIterator]()
    await guest.send('before')
    console.log((await heard.next()).value)

    const raw = dial(port, '127.0.0.1')
    raw.on('error', () => {})
    const key = Buffer.alloc(16).toString('base64')
    raw.write('GET /raw HTTP/1.1\\r\\nHost: test\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n' +
      'Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: ' + key + '\\r\\n\\r\\n')
    await once(raw, 'data')
    const answer = once(raw, 'data')
    raw.write(Buffer.from(${JSON.stringify(frame)}, 'hex'))
    const [close] = await answer
    console.log('close frame', close.readUInt16BE(2))
    console.log(...await ended.promise)

    await guest.send('after')
    console.log((await heard.next()).value)
    await guest.close()
    raw.destroy()
    await app.shutdown()
    server.close()
  `)
}

const wrapped = `
    server.on('connection', async (accepted, request) => {
      const peer = socket(accepted, options)
      try {
        for await (const message of peer) await peer.send(message)
      } catch (error) {
        ended.resolve([error.code, error.cause.code, JSON.stringify(await peer.closed)])
      }
    })`

const served = `
    serveSockets(app, server, async (peer, scope) => {
      scope.defer((exit) => {
        if (exit.status !== 'success') ended.resolve([exit.status, exit.reason.code, exit.reason.cause.code])
      })
      for await (const message of peer) await peer.send(message)
    }, options)`

const frames: [name: string, hex: string, code: string, close: number][] = [
  ['longer than maxPayload', '82fe040100000000', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
  ['that is not masked', '810161', 'WS_ERR_EXPECTED_MASK', 1002],
  ['with a reserved bit', 'b1810000000061', 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
  ['with an unknown opcode', '83810000000061', 'WS_ERR_INVALID_OPCODE', 1002],
  ['that is no UTF-8', '818100000000ff', 'WS_ERR_INVALID_UTF8', 1007],
  ['that goes on with nothing', '80810000000061', 'WS_ERR_INVALID_OPCODE', 1002],
  ['that closes with a code that is none', '88820000000003e7', 'WS_ERR_INVALID_CLOSE_CODE', 1002],
]

for (const [name, hex, code, close] of frames) {
  test(`a frame ${name} ends its own socket with an error, and the process goes on`, async () => {
    const [before, frame, ended, ...after] = await visited(hex, wrapped)
    assert.equal(before, 'before')
    assert.equal(frame, `close frame ${close}`)
    assert.match(String(ended), new RegExp(`^ERR_SOCKET_BROKEN ${code} .*"clean":false`))
    assert.deepEqual(after, ['after'])
  })
}

test('where it is served, the scope is aborted with what was wrong', async () => {
  for (const [name, hex, code, close] of frames.slice(0, 2)) {
    const lines = await visited(hex, served)
    const ended = `aborted ERR_CLIENT_DISCONNECTED ${code}`
    assert.deepEqual(lines, ['before', `close frame ${close}`, ended, 'after'], name)
  }
})
