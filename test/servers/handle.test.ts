/** Handlers of `handle()`: what they return, what they write themselves, and what becomes of their errors. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import { currentScope } from 'unwind'
import { handle } from 'unwind/http'

import { answers, pieces } from './support/answers.ts'
import { ask } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { Site } from './support/site.ts'

describe('a handler of handle()', () => {
  for (const [name, make, type, body] of answers) {
    test(`can return ${name}`, async () => {
      await using site = await openHandled(async () => make())
      const answer = await ask(site, '/')
      assert.deepEqual([answer.status, answer.body], [200, body])
      assert.equal(answer.headers['content-type'], type)
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported, [])
    })
  }

  test('can return its answer without a promise', async () => {
    await using site = await openHandled(() => 'at once')
    assert.equal((await ask(site, '/')).body, 'at once')
  })

  test('can return a Blob, a File or a form, with the status and the type that the handler has set', async () => {
    const form = new FormData()
    form.set('name', 'Ada')
    const made = [new Blob(['<p>'], { type: 'text/html' }), new File(['<p>'], 'page'), form]
    const types = ['text/html', 'application/octet-stream', /^multipart\/form-data; boundary=/]
    await using site = await openHandled(({ url = '' }, response) => {
      response.statusCode = 201
      if (url === '/0?own') response.setHeader('Content-Type', 'text/plain')
      return made[Number(url[1])]
    })
    for (const [i, type] of types.entries()) {
      const { status, headers, body } = await ask(site, `/${i}`)
      assert.equal(status, 201)
      assert.match(String(headers['content-type']), new RegExp(type))
      assert.match(body, i === 2 ? /name="name"\r\n\r\nAda/ : /^<p>$/)
    }
    assert.equal((await ask(site, '/0?own')).headers['content-type'], 'text/plain')
    assert.deepEqual(await site.statuses(), Array(4).fill('success'))
  })

  test('sets status and headers on the response, its own content type too', async () => {
    await using site = await openHandled((_request, response) => {
      response.statusCode = 201
      response.setHeader('Content-Type', 'text/html')
      response.setHeader('X-Own', 'yes')
      return '<p>'
    })
    const { status, headers } = await ask(site, '/')
    assert.deepEqual([status, headers['content-type'], headers['x-own']], [201, 'text/html', 'yes'])
    assert.equal(headers['content-length'], '3')
  })

  test('can write the head and return the body', async () => {
    await using site = await openHandled((_request, response) => {
      response.writeHead(202, { 'content-type': 'text/event-stream' })
      return pieces('data: 1\n\n', 'data: 2\n\n')
    })
    const { status, headers, body } = await ask(site, '/')
    assert.deepEqual([status, headers['content-type']], [202, 'text/event-stream'])
    assert.equal(body, 'data: 1\n\ndata: 2\n\n')
  })

  test('gives a Response its own status, words and headers, each cookie of several', async () => {
    await using site = await openHandled(() => {
      const headers = new Headers({ 'x-own': 'yes' })
      headers.append('set-cookie', 'a=1')
      headers.append('set-cookie', 'b=2')
      return new Response('teapot', { status: 418, statusText: 'Teapot', headers })
    })
    const { status, headers } = await ask(site, '/')
    assert.deepEqual(
      [status, headers['x-own'], headers['set-cookie']],
      [418, 'yes', ['a=1', 'b=2']],
    )
  })

  for (const [name, make] of [
    ['a symbol', () => Symbol('x')],
    ['a function', () => () => {}],
    ['a bigint', () => 1n],
    ['a Map', () => new Map([[1, 2]])],
    ['an Error', () => new Error('no answer')],
    ['what yields at once', () => [1].values()],
    [
      'a circle',
      () => {
        const circle: { self?: unknown } = {}
        circle.self = circle
        return circle
      },
    ],
    ['a failed Response', () => Response.error()],
    [
      'a Response that was read',
      async () => {
        const used = new Response('x')
        await used.text()
        return used
      },
    ],
  ] as const) {
    test(`that returns ${name} has failed: nothing is committed, and the answer is 500`, async () => {
      await using site = await openHandled(async () => make())
      assert.equal((await ask(site, '/')).status, 500)
      assert.deepEqual(await site.statuses(), ['failure'])
      assert.equal(site.reported.length, 1)
    })
  }

  for (const status of [204, 205, 304]) {
    test(`with the status ${status} sends no body`, async () => {
      await using site = await openHandled((request, response) => {
        response.statusCode = status
        return request.url === '/stream' ? pieces('a') : 'a'
      })
      for (const path of ['/', '/stream']) {
        assert.deepEqual(await ask(site, path).then((answer) => [answer.status, answer.body]), [
          status,
          '',
        ])
      }
      assert.deepEqual(await site.statuses(), ['success', 'success'])
    })
  }

  test('sends the length and no body to HEAD, and ends a stream that nobody will read', async () => {
    const ended: string[] = []
    await using site = await openHandled((request) => {
      if (request.url === '/') return 'text'
      const stream = Readable.from(pieces('a', 'b'))
      stream.once('close', () => ended.push(String(request.url)))
      return stream
    })
    const answer = await ask(site, '/', { method: 'HEAD' })
    assert.deepEqual([answer.headers['content-length'], answer.body], ['4', ''])
    assert.equal((await ask(site, '/stream', { method: 'HEAD' })).body, '')
    assert.deepEqual(ended, ['/stream'])
    assert.deepEqual(await site.statuses(), ['success', 'success'])
  })

  test('is given its scope, which is ambient too', async () => {
    await using site = await openHandled((_request, _response, scope) => scope === currentScope())
    assert.equal((await ask(site, '/')).body, 'true')
  })
})

describe('a handler of handle() that writes to the response itself', () => {
  test('may answer in any way, and its scope closes once all bytes were produced', async () => {
    await using site = await openHandled(async (request, response) => {
      if (request.url === '/returned') return response.end('self')
      if (request.url === '/later') setTimeout(() => response.end('self'), 5)
      else if (request.url === '/piped') Readable.from(['se', 'lf']).pipe(response)
      else response.end('self')
      return undefined
    })
    for (const path of ['/', '/returned', '/later', '/piped']) {
      assert.equal((await ask(site, path)).body, 'self')
    }
  })

  test('commits before it answers: releasing is never the commit of an answer already sent', async () => {
    await using site = await openHandled(async (request, response, scope) => {
      if (request.url === '/complete') scope.complete()
      response.end('self')
    })
    await ask(site, '/')
    await ask(site, '/complete')
    assert.deepEqual(await site.statuses(), ['unknown', 'success'])
  })

  test('may close its scope before or after it has answered, and nothing is reported', async () => {
    await using site = await openHandled(async (request, response, scope) => {
      if (request.url === '/after') response.end('self')
      await scope.close()
      if (request.url === '/before') response.end('self')
    })
    for (const path of ['/before', '/after']) assert.equal((await ask(site, path)).body, 'self')
    assert.deepEqual(await site.statuses(), ['unknown', 'unknown'])
    assert.deepEqual(site.reported, [])
  })

  test('keeps what it sent, whatever it returns afterwards', async () => {
    await using site = await openHandled((_request, response) => {
      response.end('self')
      return { ignored: true }
    })
    assert.equal((await ask(site, '/')).body, 'self')
  })
})

describe('the onError of handle()', () => {
  test('may write the answer, and is given the whole chain', async () => {
    const seen: unknown[] = []
    await using site = await openHandled(
      (_request, _response, scope) => {
        scope.defer(() => {
          throw new Error('release')
        })
        throw new Error('body')
      },
      {
        onError: (error, response) => {
          seen.push(error)
          response.statusCode = 422
          response.end('mine')
        },
      },
    )
    const answer = await ask(site, '/')
    assert.deepEqual([answer.status, answer.body], [422, 'mine'])
    assert.equal((seen[0] as SuppressedError).suppressed.message, 'body')
    assert.deepEqual([seen.length, site.reported], [1, []])
  })

  test('that writes nothing leaves the answer to the adapter', async () => {
    const seen: unknown[] = []
    await using site = await openHandled(
      () => {
        throw new Error('body')
      },
      { onError: (error) => seen.push(error) },
    )
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual([seen.length, site.reported], [1, []])
  })

  for (const [which, order] of [
    ['the same', [0, 1]],
    ['the later', [1, 0]],
  ] as const) {
    test(`that takes its time for two failures, and ends first with ${which}, answers once and as timed out`, async () => {
      const [late, calls] = [Promise.withResolvers<never>(), [Promise.withResolvers<void>()]]
      calls.push(Promise.withResolvers())
      const seen: unknown[] = []
      const takeTime = async (error: unknown): Promise<void> => {
        if (seen.push(error) === 1) late.reject(new Error('late'))
        else for (const at of order) calls[at]?.resolve()
        await calls[seen.length - 1]?.promise
      }
      await using site = await openHandled(() => late.promise, {
        timeout: 10,
        onError: (error) => takeTime(error) as never,
      })
      assert.equal((await ask(site, '/')).status, 503)
      assert.deepEqual(seen.map(String).slice(1), ['Error: late'])
      assert.deepEqual(site.reported, [])
    })
  }

  test('that fails itself is reported with the error that it was given', async () => {
    await using site = await openHandled(
      () => {
        throw new Error('body')
      },
      {
        onError: () => {
          throw new Error('hook')
        },
      },
    )
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(site.reported.map(String), ['Error: body', 'Error: hook'])
  })
})

describe('handle()', () => {
  test('checks what it is given at the door', async () => {
    await using site = await Site.open((made) => handle(made.app, () => ''))
    assert.throws(() => handle(site.app, undefined as never), /handler given to handle\(\)/)
    assert.throws(() => handle(site.app, () => '', { onError: 1 as never }), /`onError` of handle/)
    assert.throws(() => handle({} as never, () => ''), /first argument of handle\(\)/)
  })
})
