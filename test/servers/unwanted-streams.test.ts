/** Streams that a handler answers with too late: they are ended before anything is released. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import { Peer } from './support/client.ts'
import { plainKinds, type Handler } from './support/kinds.ts'
import { turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** One that has begun, and whose end takes a while. */
async function begun(log: string[]): Promise<Readable> {
  const stream = Readable.from(
    (async function* pieces() {
      try {
        log.push('begun')
        yield 'one'
        yield 'two'
      } finally {
        await turn()
        log.push('ended')
      }
    })(),
  )
  stream.read(0)
  while (stream.readableLength === 0) await turn()
  return stream
}

/** A handler that goes on to its end, whatever it is told. */
function answeringLate(log: string[]): Handler {
  return async ({ scope }) => {
    scope.defer(() => void log.push('released'))
    await untilAborted(scope).catch(() => {})
    return { body: await begun(log) }
  }
}

for (const kind of plainKinds.filter(({ seesResult }) => seesResult)) {
  // What `@hono/node-server` reads hides whether that has ended.
  if (kind.name.startsWith('Hono')) continue
  describe(`a stream of ${kind.name} is ended before anything is released`, () => {
    for (const closeAt of ['answer', 'ended'] as const) {
      test(`where its client has left, with closeAt '${closeAt}'`, async () => {
        const log: string[] = []
        await using site = await Site.serve(kind, answeringLate(log), { closeAt })
        using peer = await Peer.connect(site)
        peer.get('/')
        while (site.watched.length === 0) await turn()
        peer.reset()
        await site.outcomes()
        assert.deepEqual(log, ['begun', 'ended', 'released'])
      })

      test(`where its deadline was answered, with closeAt '${closeAt}'`, async () => {
        // Fastify passes nothing on of what is given to a reply that has been answered.
        if (kind.name === 'Fastify with reply.send') return
        const log: string[] = []
        await using site = await Site.serve(kind, answeringLate(log), { closeAt, timeout: 0 })
        using peer = await Peer.connect(site)
        peer.get('/')
        await peer.until('503')
        await site.outcomes()
        assert.deepEqual(log, ['begun', 'ended', 'released'])
      })
    }
  })
}
