import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import fastify, { type FastifyInstance } from 'fastify'
import { createApp, resource, type Resource } from 'unwind'
import { fastifyScope } from 'unwind/fastify'

import { Peer } from './support/client.ts'
import { plainKinds } from './support/kinds.ts'
import { openScoped, turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** Resources of which there are five; whoever comes later waits. */
class Five {
  free = 5
  readonly #waiting: (() => void)[] = []
  readonly resource: Resource<Five> = resource({
    name: 'one of five',
    acquire: async () => {
      while (this.free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      this.free -= 1
      return this
    },
    release: () => {
      this.free += 1
      this.#waiting.shift()?.()
    },
  })
}

const large = Buffer.alloc(16 * 1024 * 1024, 'x')

for (const kind of plainKinds) {
  describe(`20 clients of ${kind.name} that do not read their 16 MB`, () => {
    test('leave a pool of 5 to others once all bytes were produced', async () => {
      const five = new Five()
      await using site = await Site.serve(kind, async ({ scope, path }) => {
        await scope.get(five.resource)
        return { body: path === '/large' ? large : 'small' }
      })
      const peers = await Promise.all(Array.from({ length: 20 }, () => Peer.connect(site)))
      for (const peer of peers) {
        peer.socket.pause()
        peer.get('/large')
      }
      while (site.watched.length < 20) await turn()
      for (let small = 0; small < 10; small += 1) {
        assert.equal((await kind.ask(site, '/small')).body, 'small')
      }
      assert.equal(five.free, 5)
      for (const peer of peers) peer.reset()
      assert.equal((await site.statuses()).length, 30)
    })
  })
}

const past: Readonly<Record<string, (server: FastifyInstance) => void>> = {
  'a handler of Fastify': (server) => {
    server.get('/', (_request, reply) => {
      reply.hijack()
      setImmediate(() => reply.raw.end(large))
    })
  },
  'a hook of Fastify': (server) => {
    server.addHook('preHandler', (_request, reply) => {
      reply.hijack().raw.end(large)
    })
    server.get('/', () => 'no')
  },
}

for (const [what, answers] of Object.entries(past)) {
  test(`what ${what} answers past it leaves what it held to others once all bytes were produced`, async () => {
    const app = createApp()
    const server = fastify()
    await server.register(fastifyScope, { app })
    const released = Promise.withResolvers<void>()
    server.addHook('onRequest', (request, _reply, done) => {
      request.scope.defer(() => released.resolve())
      done()
    })
    answers(server)
    await server.listen({ port: 0, host: '127.0.0.1' })
    using peer = await Peer.connect(server.server.address() as { port: number })
    peer.socket.pause()
    peer.get('/')
    await released.promise
    peer.reset()
    await server.close()
  })
}

describe('a download', () => {
  test('of a file that is left at its beginning closes the file and the scope', async () => {
    const path = join(tmpdir(), `unwind-download-${process.pid}`)
    await writeFile(path, large)
    const files: ReturnType<typeof createReadStream>[] = []
    try {
      await using site = await openScoped((_request, response) => {
        const file = createReadStream(path)
        files.push(file)
        file.pipe(response)
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.until('xxxx')
      peer.socket.pause()
      peer.reset()
      assert.deepEqual(await site.statuses(), ['aborted'])
      const [file] = files
      assert.equal(file?.destroyed, true)
      if (file && !file.closed) await once(file, 'close')
    } finally {
      await rm(path)
    }
  })
})
