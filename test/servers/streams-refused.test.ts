/** Streams that cannot be answered with: each is ended all the same, so that what it reads from is given back. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { ask, Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { turn } from './support/scoped-site.ts'

/** One that yields `pieces`, and notes in `log` that it has ended. */
async function* noted(log: string[], pieces: Iterable<unknown>): AsyncGenerator {
  try {
    for (const piece of pieces) {
      yield piece
      await turn()
    }
  } finally {
    await turn()
    log.push('ended')
  }
}

describe('a stream that handle() cannot send is ended before anything is released, and is a 500', () => {
  test('where its first piece is neither text nor bytes', async () => {
    const log: string[] = []
    await using site = await openHandled((_request, _response, scope) => {
      scope.defer(() => log.push('released'))
      return noted(log, [{ id: 1 }, { id: 2 }])
    })
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(log, ['ended', 'released'])
    assert.match(String(site.reported), /^TypeError: Expected a piece of a streamed answer/)
  })

  test('where the head cannot be sent that the handler has set', async () => {
    const log: string[] = []
    await using site = await openHandled((_request, response, scope) => {
      scope.defer(() => log.push('released'))
      response.statusCode = 1_000
      return noted(log, ['a'.repeat(100_000), 'b'])
    })
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(log, ['ended', 'released'])
    assert.match(String(site.reported), /Invalid status code: 1000/)
  })

  test('where that is so and nothing of it is there yet', async () => {
    const log: string[] = []
    await using site = await openHandled((_request, response) => {
      response.statusCode = 1_000
      return (async function* late() {
        try {
          await turn()
          await turn()
          yield 'late'
        } finally {
          log.push('ended')
        }
      })()
    })
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(log, ['ended'])
  })
})

test('a source that throws when it is told to end, as its client has left, is reported, and does not crash the process', async () => {
  const error = new Error('no end')
  const step = (): Promise<IteratorResult<string>> =>
    turn().then(() => ({ done: false, value: 'piece' }))
  const refuse = (): never => {
    throw error
  }
  await using site = await openHandled(() => ({
    [Symbol.asyncIterator]: () => ({ next: step, return: refuse }),
  }))
  using peer = await Peer.connect(site)
  peer.get('/')
  await peer.until('piece')
  peer.reset()
  await site.outcomes()
  assert.deepEqual(
    site.reported.map((reported) => (reported as SuppressedError).error),
    [error],
  )
})

test('a stream that is returned after the handler has answered by itself is ended, unless somebody reads it', async () => {
  const log: string[] = []
  const taken = new Response('read elsewhere')
  const reader = taken.body?.getReader()
  await using site = await openHandled(async ({ url }, response) => {
    response.end('mine')
    if (url === '/taken') return taken
    const pieces = noted(log, ['first', 'second'])
    await pieces.next()
    return pieces
  })
  assert.equal((await ask(site, '/')).body, 'mine')
  assert.equal((await ask(site, '/taken')).body, 'mine')
  await site.outcomes()
  assert.deepEqual(log, ['ended'])
  assert.equal((await reader?.read())?.done, false)
  assert.deepEqual(site.reported, [])
})
