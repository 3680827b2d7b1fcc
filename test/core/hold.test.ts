/** `hold`: anything with a close for `await using`, as a handle that is dead after its release. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { detectLeaks, DisposedError, DisposeTimeoutError, hold, ScopeClosedError } from 'unwind'
import { setUp } from './support/app.ts'
import { errorsOf } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'
import { script } from './support/script.ts'

test('a held value is there until the end of its block, and released with it', async () => {
  const client = { name: 'redis' }
  const events: unknown[] = []
  {
    await using redis = hold(client, (value) => events.push(value))
    assert.equal(redis.value, client)
    assert.equal(redis.value, client)
    assert.deepEqual(events, [])
  }
  assert.deepEqual(events, [client])
})

test('release is called with the value alone', async () => {
  const calls: unknown[][] = []
  const held = hold('path', (...parameters: unknown[]) => calls.push(parameters))
  await held[Symbol.asyncDispose]()
  assert.deepEqual(calls, [['path']])
})

test('a held value cannot be used after its release, which names it and says what to do', async () => {
  const held = hold({}, () => {}, { name: 'redis' })
  await held[Symbol.asyncDispose]()
  const error = thrown(() => held.value)
  assert.ok(error instanceof DisposedError)
  assert.equal(error.code, 'ERR_DISPOSED')
  assert.match(error.message, /"redis" was used after its release.*Use it inside/)
})

test('where a scope released it, the error has that scope in its cause', async (t) => {
  const { app } = setUp(t)
  const held = await app.run({ name: 'import' }, (scope) => {
    const redis = hold({}, () => {}, { name: 'redis' })
    return { redis: scope.use(redis) }
  })
  const { cause } = thrown(() => held.redis.value) as Error
  assert.ok(cause instanceof ScopeClosedError)
  assert.match(cause.message, /import/)
})

test('a held value is dead from the moment its release begins', async () => {
  const gate = Promise.withResolvers<void>()
  const held = hold({}, () => gate.promise)
  const disposing = held[Symbol.asyncDispose]()
  assert.ok(thrown(() => held.value) instanceof DisposedError)
  gate.resolve()
  await disposing
})

test('a handle stays dead although its pool hands the same connection to somebody else', async () => {
  const connection = { queries: 0 }
  const free = [connection]
  const lease = () => {
    const taken = free.pop()
    assert.ok(taken !== undefined, 'the pool is empty')
    return hold(taken, (value) => {
      assert.equal(free.includes(value), false, 'given back twice')
      free.push(value)
    })
  }
  const first = lease()
  await first[Symbol.asyncDispose]()
  const second = lease()
  assert.equal(second.value, connection)
  assert.ok(thrown(() => first.value) instanceof DisposedError)
  await first[Symbol.asyncDispose]()
  assert.deepEqual(free, [])
  await second[Symbol.asyncDispose]()
  assert.deepEqual(free, [connection])
})

test('disposed twice, it is released once: the second dispose waits for the first and never rejects', async () => {
  const gate = Promise.withResolvers<void>()
  let releases = 0
  const D = new Error('D')
  const held = hold(1, async () => {
    releases++
    await gate.promise
    throw D
  })
  const first = rejection(held[Symbol.asyncDispose]())
  const second = held[Symbol.asyncDispose]()
  assert.equal(await isPending(second), true)
  gate.resolve()
  assert.equal(await first, D)
  await within(second)
  await held[Symbol.asyncDispose]()
  assert.equal(releases, 1)
})

test('a release may dispose it again and does not wait for itself; the others wait for the release', async () => {
  const gate = Promise.withResolvers<void>()
  const held = hold(1, (): Promise<unknown> => {
    const again = held[Symbol.asyncDispose]()
    return Promise.all([again, gate.promise])
  })
  const first = held[Symbol.asyncDispose]()
  const second = held[Symbol.asyncDispose]()
  assert.equal(await isPending(second), true)
  gate.resolve()
  await within(Promise.all([first, second]))
})

test('a block that fails keeps its error under that of the release', async () => {
  const [B, D] = [new Error('B'), new Error('D')]
  const block = async (): Promise<void> => {
    await using _held = hold(1, () => Promise.reject(D))
    throw B
  }
  assert.deepEqual(errorsOf(await rejection(block())), [D, B])
})

test('a release that throws undefined is a failing release', async () => {
  const held = hold(1, () => Promise.reject(undefined as never))
  assert.equal(await rejection(held[Symbol.asyncDispose]()), undefined)
})

test('a release that exceeds its time rejects with a DisposeTimeoutError that names it', async () => {
  const held = hold(1, () => new Promise(() => {}), { name: 'redis', disposeTimeout: 5 })
  const error = await rejection(held[Symbol.asyncDispose]())
  assert.ok(error instanceof DisposeTimeoutError)
  assert.equal(error.resource, 'redis')
  assert.equal(error.timeoutMs, 5)
  assert.ok(thrown(() => held.value) instanceof DisposedError)
})

test('a scope can use what is held', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run((scope) => {
    const held = scope.use(hold(tracker.acquire('client'), (value) => tracker.release(value)))
    tracker.use(held.value)
  })
  assert.deepEqual(tracker.events, ['+client', '-client'])
})

test('a scope calls what is held by its name', async (t) => {
  using _ = detectLeaks({ level: 'full' })
  const { app } = setUp(t, { disposeTimeout: 5 })
  const error = await rejection(
    app.run((scope) => {
      scope.use(hold({}, () => {}))
      scope.use(hold({}, () => new Promise(() => {}), { name: 'redis' }))
      const { resources } = scope.inspect()
      assert.deepEqual(
        resources.map(({ name, lifetime }) => [name, lifetime]),
        [
          ['redis', 'value'],
          ['value', 'value'],
        ],
      )
      for (const { stack } of resources) assert.match(stack ?? '', /hold\.test\.[jt]s/)
    }),
  )
  assert.ok(error instanceof DisposeTimeoutError)
  assert.deepEqual([error.resource, error.timeoutMs], ['redis', 5])
})

test('a scope gives a held value the time that it asked for', async (t) => {
  const { app } = setUp(t, { disposeTimeout: 1 })
  let released = false
  const release = async (): Promise<void> => {
    await pause(30)
    released = true
  }
  await app.run((scope) => {
    scope.use(hold({}, release, { disposeTimeout: 60_000 }))
  })
  assert.ok(released)
  const error = await rejection(
    app.run((scope) => {
      scope.use(hold({}, () => new Promise(() => {}), { name: 'redis', disposeTimeout: 20 }))
    }),
  )
  assert.ok(error instanceof DisposeTimeoutError)
  assert.deepEqual([error.resource, error.timeoutMs], ['redis', 20])
})

test('the disposer of what is held, on another object, is refused where it is called', async (t) => {
  const { app } = setUp(t)
  const stolen = { [Symbol.asyncDispose]: hold({}, () => {})[Symbol.asyncDispose] }
  const error = await rejection(app.run((scope) => void scope.use(stolen)))
  assert.ok(error instanceof TypeError)
})

test('any value can be held, also undefined and a promise', async () => {
  const promise = Promise.resolve(1)
  for (const value of [undefined, null, 0, promise]) {
    await using held = hold<unknown>(value, () => {})
    assert.equal(held.value, value)
  }
})

test('the late failure of a timed-out release becomes a process warning', async () => {
  const lines = await script(`
    process.on('warning', (warning) => console.log(warning.name, warning.message.includes('late failure')))
    process.on('warning', (warning) => console.log(warning.message.includes('"redis"')))
    let fail
    const held = hold(1, () => new Promise((_resolve, reject) => { fail = reject }), { name: 'redis', disposeTimeout: 5 })
    await held[Symbol.asyncDispose]().catch((error) => console.log(error.code))
    fail(new Error('late failure'))
    await turn()
  `)
  assert.deepEqual(lines, ['ERR_DISPOSE_TIMEOUT', 'UnwindWarning true', 'true'])
})

test('what is held inside a scope of its own closes in the order of the blocks', async () => {
  const events: string[] = []
  {
    await using _outer = hold(1, async () => {
      await quiet()
      events.push('outer')
    })
    await using _inner = hold(2, () => events.push('inner'))
  }
  assert.deepEqual(events, ['inner', 'outer'])
})
