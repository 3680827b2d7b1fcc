/** What `finishing` makes of streams whose failure is easily overlooked, and of those that wait for their other side. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as net from 'node:net'
import { PassThrough, Readable, Transform, Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { finishing } from 'unwind/node'
import { isPending, rejection, within } from '../core/support/promises.ts'
import { script } from '../core/support/script.ts'
import { connected, listening } from './support/connections.ts'

/** Longer than any test may take. */
const endless = { grace: 60_000 }
const large = Buffer.alloc(8 * 1024 * 1024, 'x')

const failure = new Error('disk full')

function full(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done, failure) })
}

function endlessly(): Readable {
  return new Readable({ read() {} })
}

for (const [when, before, after] of [
  ['before', 1, 0],
  ['after', 0, 1],
  ['before and after', 2, 2],
] as const) {
  test(`a stream that was piped into ${when} it was given, and failed, makes disposing reject`, async () => {
    const stream = full()
    const pipe = (): unknown => endlessly().pipe(stream)
    for (let times = 0; times < before; times += 1) pipe()
    const held = finishing(stream)
    for (let times = 0; times < after; times += 1) pipe()
    const closed = new Promise<void>((resolve) => stream.once('close', resolve))
    stream.write('lost')
    await within(closed)
    assert.equal(await rejection(held[Symbol.asyncDispose]()), failure)
  })
}

test('a stream that was given twice, and failed, makes each disposing reject', async () => {
  const stream = full()
  const helds = [finishing(stream), finishing(stream)]
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  stream.write('lost')
  await within(closed)
  for (const held of helds) assert.equal(await rejection(held[Symbol.asyncDispose]()), failure)
})

test('an error that is only emitted makes disposing reject', async () => {
  const stream = new PassThrough()
  const held = finishing(stream)
  stream.emit('error', failure)
  assert.equal(stream.errored, null)
  assert.equal(await rejection(held[Symbol.asyncDispose]()), failure)
  assert.ok(stream.destroyed)
})

test('a transform that nobody reads keeps what comes out for whoever will', async () => {
  const stream = new PassThrough()
  const held = finishing(stream, endless)
  stream.write('little')
  await within(held[Symbol.asyncDispose]())
  assert.ok(stream.writableFinished)
  assert.deepEqual(await within(stream.toArray()), [Buffer.from('little')])
})

test('it ends at once where nothing comes out, and says so where it cannot keep all of it', async () => {
  const swallow = (_chunk: unknown, _encoding: string, done: () => void): void => done()
  const sink = new Transform({ transform: swallow })
  const empty = finishing(sink, endless)
  sink.write(large)
  await within(empty[Symbol.asyncDispose]())
  assert.ok(sink.destroyed)
  const stream = new PassThrough()
  const held = finishing(stream, { grace: 20 })
  stream.write(large)
  stream.write('more')
  const error = await rejection(within(held[Symbol.asyncDispose]()))
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, 'ERR_DISPOSE_TIMEOUT')
  assert.ok(stream.destroyed)
})

test('a transform that waits for whoever it is piped into is not over before that one has its output', async () => {
  const stuck = new Writable({ highWaterMark: 1, write() {} })
  const held = finishing(new PassThrough(), { grace: 20 })
  held.value.pipe(stuck)
  held.value.write('one')
  await turn()
  held.value.write('two')
  const error = await rejection(within(held[Symbol.asyncDispose]()))
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, 'ERR_DISPOSE_TIMEOUT')
})

test('a transform that is read once its disposal has begun gives everything', async () => {
  const stream = new PassThrough()
  const held = finishing(stream, endless)
  stream.write(large)
  stream.write('more')
  const disposing = held[Symbol.asyncDispose]()
  assert.ok(await isPending(disposing))
  assert.equal(Buffer.concat(await within(stream.toArray())).length, large.length + 4)
  await within(disposing)
})

test('a socket whose other side waits for somebody to read sends everything', async (t) => {
  let arrived = 0
  const server = net.createServer((peer) => {
    peer.on('data', (chunk: Buffer) => (arrived += chunk.length))
    peer.pipe(peer)
  })
  t.after(() => server.close())
  await listening(server)
  const held = finishing(await connected(t, server), endless)
  held.value.write(large)
  held.value.write(large)
  await within(held[Symbol.asyncDispose]())
  assert.equal(arrived, 2 * large.length)
})

test('a request of HTTP is not taken back before it is answered', async (t) => {
  const asked = Promise.withResolvers<[http.IncomingMessage, http.ServerResponse]>()
  const server = http.createServer((...both) => asked.resolve(both))
  t.after(() => server.close())
  const port = await listening(server)
  const held = finishing(http.request({ port, host: '127.0.0.1', method: 'POST' }), endless)
  held.value.write(large)
  const disposing = held[Symbol.asyncDispose]()
  const [request, response] = await within(asked.promise)
  const body = Buffer.concat(await within(request.toArray()))
  assert.equal(body.length, large.length)
  assert.ok(await isPending(disposing))
  response.end('thanks')
  await within(disposing)
})

test('an answer of HTTP/2 to a request that nobody reads is sent, and no failure', async (t) => {
  const server = http2.createServer()
  t.after(() => server.close())
  const asked = once(server, 'stream')
  const client = http2.connect(`http://127.0.0.1:${await listening(server)}`)
  t.after(() => client.destroy())
  const request = client.request({ ':method': 'POST' }).end('a request')
  const [stream] = (await within(asked)) as [http2.ServerHttp2Stream]
  stream.respond()
  stream.write(large)
  const disposing = finishing(stream, endless)[Symbol.asyncDispose]()
  const answer = Buffer.concat(await within(request.toArray()))
  assert.equal(answer.length, large.length)
  await within(disposing)
})

test('an answer of HTTP is not cut off before whoever reads slowly has it', async (t) => {
  const disposing = Promise.withResolvers<void>()
  const server = http.createServer((_request, response) => {
    response.write(Buffer.concat([large, large]))
    disposing.resolve(finishing(response, endless)[Symbol.asyncDispose]())
  })
  t.after(() => server.close())
  const request = http.get({ port: await listening(server), host: '127.0.0.1' })
  const [response] = (await within(once(request, 'response'))) as [http.IncomingMessage]
  assert.ok(await isPending(disposing.promise))
  assert.equal(Buffer.concat(await within(response.toArray())).length, 2 * large.length)
  await within(disposing.promise)
})

for (const [end, code] of [
  ['whoever reads slowly has it', undefined],
  ['its client cancels it', http2.constants.NGHTTP2_CANCEL],
] as const) {
  test(`nor is one of the compatibility API of HTTP/2, until ${end}`, async (t) => {
    const disposing = Promise.withResolvers<void>()
    const server = http2.createServer((_request, response) => {
      response.write(large)
      disposing.resolve(finishing(response, endless)[Symbol.asyncDispose]())
    })
    t.after(() => server.close())
    const client = http2.connect(`http://127.0.0.1:${await listening(server)}`)
    t.after(() => client.destroy())
    const request = client.request()
    await within(once(request, 'response'))
    assert.ok(await isPending(disposing.promise))
    if (code === undefined) {
      assert.equal(Buffer.concat(await within(request.toArray())).length, large.length)
      await within(disposing.promise)
    } else {
      request.close(code)
      assert.match(String(await rejection(disposing.promise)), /cut off with the code 8/)
    }
  })
}

test('the standard streams end at once, and what fails on them later is told once', async () => {
  const lines = await script(`
    import { finishing } from 'unwind/node'
    const endless = { grace: 2 ** 31 - 1 }
    let warnings = 0
    process.on('warning', () => {
      warnings += 1
      process.stderr.write('another one that fails')
    })
    await finishing(process.stderr, endless)[Symbol.asyncDispose]()
    process.stderr.write('late')
    for (let turns = 0; turns < 20; turns += 1) await turn()
    console.log(warnings)
    await finishing(process.stdout, endless)[Symbol.asyncDispose]()
  `)
  assert.deepEqual(lines, ['1'])
})

test('what has an end and a destroy of its own, and is no stream, is refused by name', () => {
  const connection = Object.assign(new EventEmitter(), { end() {}, destroy() {} })
  const stream = { write() {}, end() {}, destroy() {} }
  for (const given of [connection, stream]) {
    assert.throws(() => finishing(given as never), /first argument of finishing\(\)/)
  }
})
