/** A body of Hono without a server: however much of it is read, its producer ends, and then its scope closes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { Hono, type Context } from 'hono'
import { createApp, currentScope, type App, type Scope } from 'unwind'
import { honoFetch, honoScope } from 'unwind/hono'

import { rejection, within } from '../core/support/promises.ts'

type Handler = (c: Context) => Response
type Ask = (app: App, handler: Handler) => (asked?: RequestInit | Request) => Promise<Response>

test('a release that fails after an error which is answered in full is reported: the client is told nothing of it', async () => {
  const reported: unknown[] = []
  await using app = createApp({ onError: (error) => reported.push(error) })
  const broken = new Error('broken')
  const missing = Object.assign(new Error('No such order'), { status: 404 })
  const hono = new Hono().get('/', () => {
    currentScope().defer(() => {
      throw broken
    })
    throw missing
  })
  // It answers nothing itself.
  hono.onError((error) => {
    throw error
  })
  const response = await honoFetch(app, hono)(new Request('http://localhost/'))
  assert.deepEqual([response.status, await response.text()], [404, 'No such order'])
  const [chain] = reported as [SuppressedError]
  assert.deepEqual([chain.error, chain.suppressed, reported.length], [broken, missing, 1])
})

const ways: Readonly<Record<string, Ask>> = {
  honoFetch: (app, handler) => {
    const fetch = honoFetch(app, new Hono().get('/', handler))
    return async (asked) => fetch(requestFrom(asked))
  },
  honoScope: (app, handler) => {
    const hono = new Hono().use(honoScope(app)).get('/', handler)
    return async (asked) => hono.request(requestFrom(asked))
  },
}

function requestFrom(asked: RequestInit | Request | undefined): Request {
  return asked instanceof Request ? asked : new Request('http://localhost/', asked)
}

const bodies: Readonly<Record<string, (scope: Scope, noted: string[]) => AsyncIterable<unknown>>> =
  {
    'a stream': (scope, noted) => pieces(scope, noted),
    'a stream that is bound to its scope': (scope, noted) => scope.stream(pieces(scope, noted)),
  }

async function* pieces(scope: Scope, noted: string[]): AsyncGenerator<Uint8Array> {
  try {
    for (let i = 0; i < 3; i += 1) {
      await turn()
      await turn()
      yield Buffer.from('x')
    }
  } finally {
    await turn()
    noted.push(scope.state === 'closed' ? 'ended too late' : 'ended')
  }
}

const clients: Readonly<Record<string, (response: Response) => Promise<unknown>>> = {
  'is read': (response) => response.text(),
  'is cancelled at once': async (response) => response.body?.cancel(),
  'is cancelled in the middle': async (response) => {
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
  },
}

for (const [way, make] of Object.entries(ways)) {
  describe(`by ${way}`, () => {
    test('the same request sent again has a scope of its own', async () => {
      await using app = createApp()
      const scopes: Scope[] = []
      const ask = make(app, (c) => {
        scopes.push(currentScope())
        return c.text(currentScope().state)
      })
      const request = new Request('http://localhost/')
      const answers = [await ask(request), await ask(request)]
      assert.deepEqual(await Promise.all(answers.map((it) => it.text())), ['open', 'open'])
      assert.notEqual(scopes[0], scopes[1])
    })

    test('a body that fails while it is cancelled before it was read closes its scope, and tells whoever cancelled it', async () => {
      const app = createApp()
      const no = new Error('no')
      const body = new ReadableStream({ cancel: () => Promise.reject(no) })
      const response = await make(app, (c) => c.body(body))()
      assert.equal(await rejection(within(response.body?.cancel() ?? turn())), no)
      assert.deepEqual(app.inspect().children, [])
      await app.close()
    })

    for (const [what, body] of Object.entries(bodies)) {
      const open = (): { app: App; noted: string[]; ask: ReturnType<Ask> } => {
        const app = createApp()
        const noted: string[] = []
        const ask = make(app, (c) => {
          const scope = currentScope()
          scope.defer(() => void noted.push('released'))
          return c.body(ReadableStream.from(body(scope, noted)))
        })
        return { app, noted, ask }
      }

      for (const [how, read] of Object.entries(clients)) {
        test(`${what} that ${how} ends, and its scope closes after it`, async () => {
          const { app, noted, ask } = open()
          await within(ask().then(read))
          assert.deepEqual(noted, ['ended', 'released'])
          assert.deepEqual(app.inspect().children, [])
          await app.close()
        })
      }

      test(`${what} that nobody reads, asked by HEAD, does not keep its scope open`, async () => {
        const { app, noted, ask } = open()
        assert.equal(await within(ask({ method: 'HEAD' }).then((response) => response.text())), '')
        assert.equal(noted.at(-1), 'released')
        assert.deepEqual(app.inspect().children, [])
        await app.close()
      })
    }
  })
}
