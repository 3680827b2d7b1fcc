/** What `finishing` makes of streams: their bytes are where they belong, or disposing says that they are not. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, PassThrough, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test, type TestContext } from 'node:test'
import { createGzip, gunzipSync } from 'node:zlib'
import { finishing } from 'unwind/node'
import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { script } from '../core/support/script.ts'
import { connected, listening, received } from './support/connections.ts'

const text = 'bytes '.repeat(50_000)

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'unwind-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

/** A stream whose every write waits for `gate`. */
function slow(gate: Promise<void>): Writable & { readonly written: string[] } {
  const written: string[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      void gate.then(() => {
        written.push(String(chunk))
        done()
      }, done)
    },
  })
  return Object.assign(stream, { written })
}

test('a file that was written to and disposed has its bytes on disk, and is closed', async (t) => {
  const path = join(await folder(t), 'file')
  const stream = createWriteStream(path)
  {
    await using file = finishing(stream)
    file.value.write(text)
    file.value.write(text)
  }
  assert.equal(await readFile(path, 'utf8'), text + text)
  assert.ok(stream.closed)
})

test('a stream that was ended by hand is waited for', async (t) => {
  const path = join(await folder(t), 'file')
  {
    await using file = finishing(createWriteStream(path))
    file.value.end(text)
  }
  assert.equal(await readFile(path, 'utf8'), text)
})

test('a stream that has finished is disposed without an error', async (t) => {
  const path = join(await folder(t), 'file')
  const stream = createWriteStream(path)
  const held = finishing(stream)
  stream.end(text)
  await within(once(stream, 'close'))
  await within(held[Symbol.asyncDispose]())
})

test('a file that was never written to is there, and empty', async (t) => {
  const path = join(await folder(t), 'file')
  await within(finishing(createWriteStream(path))[Symbol.asyncDispose]())
  assert.equal(await readFile(path, 'utf8'), '')
})

test('disposing waits for what is being written, and a second dispose for the first', async () => {
  const gate = Promise.withResolvers<void>()
  const stream = slow(gate.promise)
  const held = finishing(stream)
  stream.write('a')
  stream.write('b')
  const disposals = [held[Symbol.asyncDispose](), held[Symbol.asyncDispose]()]
  assert.ok(await isPending(Promise.race(disposals)))
  gate.resolve()
  await within(Promise.all(disposals))
  assert.deepEqual(stream.written, ['a', 'b'])
  assert.ok(stream.destroyed)
})

test('the stream cannot be reached through its handle after the disposal', async () => {
  const held = finishing(new PassThrough())
  await within(held[Symbol.asyncDispose]())
  assert.throws(() => held.value, { code: 'ERR_DISPOSED' })
})

test('a stream that cannot write its last bytes makes disposing reject with that error', async () => {
  const gate = Promise.withResolvers<void>()
  const stream = slow(gate.promise)
  const held = finishing(stream)
  stream.write('lost')
  const disposing = held[Symbol.asyncDispose]()
  const failure = new Error('disk full')
  gate.reject(failure)
  assert.equal(await rejection(disposing), failure)
  assert.ok(stream.destroyed)
})

test('a file that cannot be opened makes disposing reject, and the process goes on', async (t) => {
  const path = join(await folder(t), 'missing', 'file')
  const error = await rejection(
    (async () => {
      await using file = finishing(createWriteStream(path))
      file.value.write(text)
      // The stream fails here, and nobody listens to it.
      await within(new Promise<void>((resolve) => file.value.once('close', resolve)))
    })(),
  )
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, 'ENOENT')
})

test('a stream that failed in this very turn makes disposing reject with its error, before the event', async () => {
  const failure = new Error('full')
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(failure) })
  const held = finishing(stream)
  stream.write('x')
  assert.equal(await rejection(held[Symbol.asyncDispose]()), failure)
})

test('a stream that does not say whether it has failed, as those of older libraries, is written out', async () => {
  const gate = Promise.withResolvers<void>()
  const stream = slow(gate.promise)
  Object.defineProperty(stream, 'errored', { value: undefined })
  const held = finishing(stream)
  stream.write('x')
  const disposing = held[Symbol.asyncDispose]()
  gate.resolve()
  await within(disposing)
  assert.deepEqual(stream.written, ['x'])
})

test('an error that somebody has heard is not thrown again', async () => {
  const stream = slow(Promise.reject(new Error('heard')))
  const heard = once(stream, 'error')
  const held = finishing(stream)
  stream.write('lost')
  await within(heard)
  await within(held[Symbol.asyncDispose]())
  assert.ok(stream.destroyed)
})

test('a pipeline that failed has told its caller, and disposing adds nothing', async (t) => {
  const path = await folder(t)
  const failure = rejection(
    (async () => {
      await using file = finishing(createWriteStream(join(path, 'copy')))
      await pipeline(createReadStream(join(path, 'missing')), file.value)
    })(),
  )
  const error = await within(failure)
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, 'ENOENT')
})

test('a stream that had failed before it was given is destroyed, whatever its own rules', async () => {
  const stream = new Writable({
    autoDestroy: false,
    write: (_chunk, _encoding, done) => done(new Error('early')),
  })
  const failed = once(stream, 'error')
  stream.write('lost')
  await within(failed)
  assert.ok(!stream.destroyed)
  await within(finishing(stream)[Symbol.asyncDispose]())
  assert.ok(stream.destroyed)
})

test('a stream that was destroyed by hand is disposed without an error', async () => {
  const stream = slow(new Promise(() => {}))
  const held = finishing(stream)
  stream.write('given up')
  stream.destroy()
  await within(held[Symbol.asyncDispose]())
})

test('a stream that does not finish within its grace is destroyed, and disposing says so', async () => {
  const stream = slow(new Promise(() => {}))
  const held = finishing(stream, { grace: 20 })
  stream.write('never')
  const error = await rejection(held[Symbol.asyncDispose]())
  assert.ok(error instanceof Error && 'code' in error && 'timeoutMs' in error)
  assert.deepEqual([error.code, error.timeoutMs], ['ERR_DISPOSE_TIMEOUT', 20])
  assert.match(error.message, /longer than its grace of 20 ms/)
  assert.ok(stream.destroyed)
})

test('a transform writes out what it holds back', async (t) => {
  const path = join(await folder(t), 'file.gz')
  {
    await using file = finishing(createWriteStream(path))
    await using zip = finishing(createGzip())
    zip.value.pipe(file.value)
    zip.value.write(text)
  }
  assert.equal(gunzipSync(await readFile(path)).toString(), text)
})

test('a socket sends everything and waits for the other side to end', async (t) => {
  const accepted = Promise.withResolvers<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, accepted.resolve)
  t.after(() => server.close())
  await listening(server)
  const socket = await connected(t, server)
  const held = finishing(socket)
  socket.write(text)
  const disposing = held[Symbol.asyncDispose]()
  const peer = await within(accepted.promise)
  // What comes meanwhile is nobody's any more.
  peer.write('late')
  assert.ok(await isPending(disposing))
  const arrived = received(peer)
  peer.once('end', () => peer.end())
  await within(disposing)
  assert.equal(await arrived, text)
})

test('a socket whose other side never ends is destroyed after the grace, without an error', async (t) => {
  const server = net.createServer({ allowHalfOpen: true }, (peer) => {
    peer.resume()
    t.after(() => peer.destroy())
  })
  t.after(() => server.close())
  await listening(server)
  const socket = await connected(t, server)
  socket.write(text)
  await within(finishing(socket, { grace: 50 })[Symbol.asyncDispose]())
  assert.ok(socket.destroyed)
})

test('reading goes on where somebody reads', async () => {
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      this.push(chunk)
      done()
    },
    final(done) {
      this.push(null)
      done()
    },
  })
  const read = stream.toArray()
  const held = finishing(stream)
  stream.write('echo')
  await within(held[Symbol.asyncDispose]())
  assert.equal(Buffer.concat(await within(read)).toString(), 'echo')
})

test('an error after the disposal becomes a warning', async () => {
  const lines = await script(`
    import { finishing } from 'unwind/node'
    import { Writable } from 'node:stream'
    process.on('warning', ({ code }) => console.log(code))
    let fail
    const stream = new Writable({ destroy: (error, done) => { fail = () => done(new Error('late')) } })
    await finishing(stream, { grace: 0 })[Symbol.asyncDispose]()
    console.log('disposed')
    fail()
    await turn(); await turn()
  `)
  assert.deepEqual(lines, ['disposed', 'UNWIND_UNTHROWN'])
})

test('what is no stream and no option is refused by name', async () => {
  assert.throws(() => finishing({} as Writable), /first argument of finishing\(\)/)
  assert.throws(() => finishing(undefined as never), /first argument of finishing\(\)/)
  assert.throws(() => finishing(new PassThrough(), { grace: -1 }), /`grace` of finishing\(\)/)
  await quiet()
})
