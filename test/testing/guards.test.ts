/** Leak checks for one piece of code, and the stand-in for a resource. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createApp, hold, override, resource, type Held } from 'unwind'
import { allowLeak, assertNoLeaks, fakeResource, noLeaks } from 'unwind/testing'

const connection = resource({ name: 'connection', acquire: async () => ({}), release: () => {} })

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof Error)
    return error
  }
  throw new Error('Expected a rejection.')
}

describe('assertNoLeaks', () => {
  test('gives what the body gives where nothing is left', async () => {
    const app = createApp()
    const found = await assertNoLeaks(async () => {
      await app.run((scope) => scope.get(connection))
      await using _held = hold({}, () => {})
      return 42
    })
    assert.equal(found, 42)
    await app.close()
  })

  test('rejects with what is left, and where it was acquired', async () => {
    let left: Held<object> | undefined
    const error = await failure(
      assertNoLeaks(async function leaves() {
        left = hold({}, () => {}, { name: 'redis' })
      }),
    )
    assert.equal(error.code, 'ERR_LEAKED')
    assert.match(
      error.message,
      /1 thing was left held at the end:\s+"redis", acquired\s+at leaves \(/,
    )
    await left?.[Symbol.asyncDispose]()
  })

  test('sees a scope that is still open, once, with what it holds', async () => {
    const app = createApp()
    const error = await failure(
      assertNoLeaks(async () => {
        const scope = app.child({ name: 'job' })
        await scope.get(connection)
        await scope.child().get(connection)
      }),
    )
    assert.match(error.message, /1 thing was left/)
    assert.match(error.message, /the scope "job" .*which holds "connection", scope s/)
    await app.close()
  })

  test('does not see what was held before', async () => {
    await using _before = hold({}, () => {})
    await using app = createApp()
    const scope = app.child()
    await assertNoLeaks(() => {})
    await scope.close()
  })

  test('gives what is only on its way out a moment', async () => {
    await assertNoLeaks(() => {
      const held = hold({}, () => {})
      setTimeout(() => void held[Symbol.asyncDispose](), 1)
    })
  })

  test('passes the error of the body on, whatever is left', async () => {
    const B = new Error('B')
    let left: Held<object> | undefined
    const error = await failure(
      assertNoLeaks(() => {
        left = hold({}, () => {})
        throw B
      }),
    )
    assert.equal(error, B)
    await left?.[Symbol.asyncDispose]()
  })

  test('does not see what may stay', async () => {
    const left: AsyncDisposable[] = []
    const app = createApp()
    await assertNoLeaks(() => {
      const held = hold({}, () => {})
      allowLeak(held, 'a test of this permission')
      left.push(held)
    })
    await assertNoLeaks(() => {
      const scope = app.child()
      allowLeak(scope, 'a test of this permission')
      left.push(scope)
    })
    for (const held of left) await held[Symbol.asyncDispose]()
    await app.close()
  })

  test('takes a function, and nothing else', async () => {
    // What a program without types could pass.
    const check = assertNoLeaks as (body: unknown) => Promise<unknown>
    assert.match(
      (await failure(check(Promise.resolve()))).message,
      /Expected the argument of assertNoLeaks\(\) to be a function/,
    )
  })
})

describe('noLeaks', () => {
  test('checks from its line to the end of the block', async () => {
    const left: AsyncDisposable[] = []
    const block = async (): Promise<void> => {
      await using _ = noLeaks()
      left.push(hold({}, () => {}, { name: 'redis' }))
    }
    assert.match((await failure(block())).message, /"redis", acquired\s+at block/)
    await left[0]?.[Symbol.asyncDispose]()
  })

  test('tells it once, also where its block disposes it before', async () => {
    const left: AsyncDisposable[] = []
    const block = async (): Promise<void> => {
      await using check = noLeaks()
      left.push(hold({}, () => {}, { name: 'redis' }))
      await check[Symbol.asyncDispose]()
    }
    assert.equal((await failure(block())).name, 'LeakError')
    await left[0]?.[Symbol.asyncDispose]()
  })

  test('is quiet where nothing is left', async () => {
    await using _ = noLeaks()
    await using _held = hold({}, () => {})
  })
})

test('allowLeak wants a thing and a reason', () => {
  // What a program without types could pass.
  const allow = allowLeak as (held?: unknown, reason?: unknown) => void
  assert.throws(() => allow('redis', 'why'), /a resource or an object/)
  assert.throws(() => allow({}), /a text that says why/)
  assert.throws(() => allow({}, ' '), /a text that says why/)
})

describe('fakeResource', () => {
  test('yields its value and counts what was done with it', async () => {
    const client = { query: () => 42 }
    const original = resource({ name: 'client', acquire: () => client, release: () => {} })
    const fake = fakeResource(client, { name: 'fake client' })
    await using app = createApp({ overrides: [override(original, fake)] })
    assert.equal(fake.name, 'fake client')
    const found = await app.run(async (scope) => {
      const [one, two] = await Promise.all([scope.get(original), scope.get(original)])
      assert.equal(one, two)
      assert.deepEqual([fake.acquired, fake.released, fake.exits], [1, 0, []])
      return one
    })
    assert.equal(found, client)
    await failure(
      app.run(async (scope) => {
        await scope.get(original)
        throw new Error('B')
      }),
    )
    const scope = app.child()
    await scope.get(original)
    await scope.close()
    assert.deepEqual([fake.acquired, fake.released], [3, 3])
    assert.deepEqual(fake.exits, ['success', 'failure', 'unknown'])
  })

  test('lives as long as what it stands for', async () => {
    const original = resource({ name: 'pool', lifetime: 'app', acquire: () => 1 })
    const fake = fakeResource(2)
    await using app = createApp({ overrides: [override(original, fake)] })
    for (let i = 0; i < 3; i += 1) await app.run((scope) => scope.get(original))
    assert.equal(fake.acquired, 1)
    assert.equal(fake.released, 0)
  })

  test('fails to acquire, and to release, with what it is told, undefined included', async () => {
    await using app = createApp()
    const [A, D] = [new Error('A'), new Error('D')]
    const broken = fakeResource(1, { failAcquire: A })
    assert.equal(await failure(app.run((scope) => scope.get(broken))), A)
    assert.deepEqual([broken.acquired, broken.released], [0, 0])
    const sticky = fakeResource(1, { failRelease: D })
    assert.equal(await failure(app.run((scope) => scope.get(sticky))), D)
    assert.deepEqual([sticky.acquired, sticky.released, sticky.exits], [1, 1, ['success']])
    for (const mute of [{ failAcquire: undefined }, { failRelease: undefined }]) {
      const fake = fakeResource(1, mute)
      await assert.rejects(
        app.run((scope) => scope.get(fake)),
        (error) => error === undefined,
      )
    }
  })

  test('its options are checked', () => {
    // What a program without types could pass.
    const fake = fakeResource as (value: unknown, options: object) => unknown
    assert.throws(() => fake(1, { fail: true }), /Unknown option `fail` of fakeResource\(\)/)
  })
})
