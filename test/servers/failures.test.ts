import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'

import { currentScope, type Scope } from 'unwind'

import { ask, Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { openScoped, turn, untilAborted } from './support/scoped-site.ts'

describe('a request with scoped()', () => {
  for (const [how, handler] of [
    [
      'throws',
      () => {
        throw new Error('the reason')
      },
    ],
    [
      'rejects',
      async () => {
        await turn()
        throw new Error('the reason')
      },
    ],
  ] as const) {
    test(`whose handler ${how} is answered with 500 after its scope closed, and reported once`, async () => {
      await using site = await openScoped(handler)
      const answer = await ask(site, '/')
      assert.equal(answer.status, 500)
      assert.equal(answer.body, 'Internal Server Error')
      assert.equal(answer.headers.connection, 'close')
      assert.deepEqual(site.watched[0]?.released, ['third', 'second', 'first'])
      assert.deepEqual(await site.statuses(), ['failure'])
      assert.deepEqual(site.reported.map(String), ['Error: the reason'])
    })
  }

  test('whose task fails is answered with 500, and told of that, where its handler heeds the abort', async () => {
    await using site = await openScoped(() => {
      const scope = currentScope()
      const failing = scope.fork(async () => {
        await turn()
        throw new Error('the task')
      })
      failing.catch(() => {})
      return untilAborted(scope)
    })
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(await site.statuses(), ['failure'])
    assert.deepEqual(site.reported.map(String), ['Error: the task'])
  })

  for (const [how, failure, told] of [
    ['heeds its abort', undefined, []],
    ['fails with something else', new Error('too late'), ['Error: too late']],
  ] as const) {
    test(`whose handler goes on after its time is abandoned, which is reported, and ${how} then`, async () => {
      const ended = Promise.withResolvers<never>()
      await using site = await openScoped(() => ended.promise, { timeout: 10, abandonAfter: 10 })
      assert.equal((await ask(site, '/')).status, 503)
      assert.deepEqual(await site.statuses(), ['aborted'])
      await turn()
      const [abandoned, ...others] = site.reported
      assert.match(String(abandoned), /^AbandonedError: The handler of "GET \/" went on for 10 ms/)
      assert.deepEqual(others, [])
      ended.reject(failure ?? site.watched[0]?.scope.signal.reason)
      await turn()
      await turn()
      assert.deepEqual(site.reported.slice(1).map(String), told)
    })
  }

  for (const [how, fail, told] of [
    ['heeds its abort', ({ signal }) => signal.throwIfAborted(), []],
    ['answers as well', (_scope, response) => response.setHeader('late', 'yes'), []],
    ['has a fault', () => assert.fail('a fault'), ['AssertionError [ERR_ASSERTION]: a fault']],
  ] as [string, (scope: Scope, response: ServerResponse) => unknown, string[]][]) {
    test(`whose handler ${how} after its time is over is answered with 503, and a fault is reported`, async () => {
      const answered = Promise.withResolvers<void>()
      const handler = async (_request: unknown, response: ServerResponse): Promise<unknown> => {
        await answered.promise
        return fail(currentScope(), response)
      }
      await using site = await openScoped(handler, { timeout: 10 })
      assert.equal((await ask(site, '/')).status, 503)
      answered.resolve()
      assert.deepEqual(await site.statuses(), ['aborted'])
      await turn()
      assert.deepEqual(site.reported.map(String), told)
    })
  }

  for (const key of ['statusCode', 'status']) {
    test(`whose handler throws an error with a ${key} from 400 is answered with that and the message`, async () => {
      await using site = await openScoped(() => {
        throw Object.assign(new Error('No such order.'), { [key]: 404 })
      })
      const answer = await ask(site, '/')
      assert.deepEqual([answer.status, answer.body], [404, 'No such order.'])
      assert.deepEqual(await site.statuses(), ['failure'])
      assert.deepEqual(site.reported, [])
    })
  }

  test('whose handler throws an error with a status from 500 keeps its message to itself', async () => {
    await using site = await openScoped(() => {
      throw Object.assign(new Error('password of the database'), { status: 503 })
    })
    const answer = await ask(site, '/')
    assert.deepEqual([answer.status, answer.body], [503, 'Service Unavailable'])
    assert.equal(site.reported.length, 1)
  })

  for (const status of [200, 399, 600, '404', 404.5]) {
    test(`whose handler throws an error with the status ${JSON.stringify(status)} is answered with 500`, async () => {
      await using site = await openScoped(() => {
        throw Object.assign(new Error('x'), { status })
      })
      assert.equal((await ask(site, '/')).status, 500)
    })
  }

  test('whose time is over is answered with 503, though its handler answers as soon as it is told', async () => {
    await using site = await openScoped(
      (_request, response) => {
        currentScope().signal.addEventListener('abort', () => response.end('late'))
      },
      { timeout: 10 },
    )
    const { status, body } = await ask(site, '/')
    assert.deepEqual([status, body], [503, 'Service Unavailable'])
    assert.deepEqual(await site.statuses(), ['aborted'])
  })

  test('whose handler throws undefined is answered with 500', async () => {
    await using site = await openScoped(() => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw undefined
    })
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(await site.statuses(), ['failure'])
    assert.deepEqual(site.reported, [undefined])
  })

  test('whose handler throws after the headers were sent is cut off, so that it does not look complete', async () => {
    await using site = await openScoped(async (_request, response) => {
      response.writeHead(200)
      response.write('half')
      await turn()
      throw new Error('too late')
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.closed
    assert.match(peer.received, /half/)
    assert.doesNotMatch(peer.received, /\r\n0\r\n/)
    assert.deepEqual(await site.statuses(), ['failure'])
    assert.deepEqual(site.reported.map(String), ['Error: too late'])
  })

  test('whose handler throws after it ended the answer keeps the answer, and the error is reported', async () => {
    await using site = await openScoped(async (_request, response) => {
      response.end('complete')
      await turn()
      throw new Error('too late')
    })
    assert.equal((await ask(site, '/')).body, 'complete')
    assert.deepEqual(await site.statuses(), ['failure'])
    assert.deepEqual(site.reported.map(String), ['Error: too late'])
  })

  for (const [how, disposer] of [
    [
      'throws',
      () => {
        throw new Error('no release')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no release'))],
  ] as const) {
    test(`whose disposer ${how} keeps its answer; the error is reported once and the others are disposed`, async () => {
      await using site = await openScoped(async (_request, response) => {
        currentScope().defer(disposer)
        response.end('fine')
      })
      assert.equal((await ask(site, '/')).body, 'fine')
      assert.deepEqual(await site.statuses(), ['failure'])
      assert.deepEqual(site.reported.map(String), ['Error: no release'])
    })
  }

  test('whose disposer hangs is closed at its dispose timeout', async () => {
    await using site = await openScoped(async (_request, response) => {
      const child = currentScope().child({ disposeTimeout: 10 })
      child.defer(() => new Promise(() => {}))
      response.end('fine')
    })
    assert.equal((await ask(site, '/')).body, 'fine')
    assert.deepEqual(await site.statuses(), ['failure'])
    assert.match(String(site.reported), /disposeTimeout of 10 ms/)
  })

  test('whose body and disposer fail is answered from the body, and both are reported', async () => {
    await using site = await openScoped(() => {
      currentScope().defer(() => {
        throw new Error('no release')
      })
      throw Object.assign(new Error('No such order.'), { status: 404 })
    })
    const answer = await ask(site, '/')
    assert.deepEqual([answer.status, answer.body], [404, 'No such order.'])
    assert.deepEqual(await site.statuses(), ['failure'])
    const [chain] = site.reported as { error: Error; suppressed: Error }[]
    assert.equal(chain?.error.message, 'no release')
    assert.equal(chain?.suppressed.message, 'No such order.')
  })
})

test('a handler of handle() whose task the timeout cuts off when it has ended itself has not succeeded: 503', async () => {
  await using site = await openHandled(
    (_request, _response, scope) => {
      void scope.fork(() => untilAborted(scope))
      return 'done'
    },
    { timeout: 10 },
  )
  assert.equal((await ask(site, '/')).status, 503)
  assert.deepEqual(await site.statuses(), ['aborted'])
  assert.match(site.reported.map(String).join(), /^TimeoutError: /)
})
