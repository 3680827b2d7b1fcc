/** What a request brings with it: provided once in each scope, before it is read, seen below. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { input, inject, NotProvidedError, resource, ScopeClosedError, value } from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection, thrown } from '../support/promises.ts'

const tenant = input<string | undefined>('tenant')

test('an input is a resource with a name, and says that it is one', () => {
  assert.equal(tenant.name, 'tenant')
  assert.equal(tenant.input, true)
  assert.throws(() => input(undefined as never), {
    name: 'TypeError',
    message: /input\(\).*string/,
  })
})

test('what is provided can be read in the scope, and by everything below it', async (t) => {
  const { app } = setUp(t)
  const greeting = resource({ acquire: async ({ get }) => `to ${await get(tenant)}` })
  const seen = await app.run(async (request) => {
    request.provide(tenant, 'acme')
    return [
      await request.get(tenant),
      await inject(tenant),
      await request.run((block) => block.get(tenant)),
      await request.child().child().get(tenant),
      await request.get(greeting),
    ]
  })
  assert.deepEqual(seen, ['acme', 'acme', 'acme', 'acme', 'to acme'])
})

test('an input that nobody provided is a NotProvidedError that names it and says what to do', async (t) => {
  const { app } = setUp(t)
  for (const asked of [app.run((scope) => scope.get(tenant)), app.get(tenant)]) {
    const error = await rejection(asked)
    assert.ok(error instanceof NotProvidedError)
    assert.equal(error.code, 'ERR_NOT_PROVIDED')
    assert.match(error.message, /"tenant".*scope\.provide\(/)
  }
})

test('a resource that needs an input which nobody provided fails with that error, and can be had later', async (t) => {
  const { app } = setUp(t)
  const greeting = resource({ acquire: async ({ get }) => `to ${await get(tenant)}` })
  await app.run(async (scope) => {
    assert.ok((await rejection(scope.get(greeting))) instanceof NotProvidedError)
    scope.provide(tenant, 'acme')
    assert.equal(await scope.get(greeting), 'to acme')
  })
})

test('two inputs of one name are two inputs', async (t) => {
  const { app } = setUp(t)
  const other = input<string>('tenant')
  await app.run(async (scope) => {
    scope.provide(tenant, 'one')
    scope.provide(other, 'two')
    assert.deepEqual([await scope.get(tenant), await scope.get(other)], ['one', 'two'])
  })
})

test('undefined, and every other falsy value, can be provided', async (t) => {
  const { app } = setUp(t)
  for (const falsy of [undefined, null, 0, '', false, Number.NaN]) {
    const anything = input<unknown>('anything')
    await app.run(async (scope) => {
      scope.provide(anything, falsy)
      assert.equal(await scope.get(anything), falsy)
      assert.throws(() => scope.provide(anything, 1), TypeError)
    })
  }
})

test('an input is provided once for each scope', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    scope.provide(tenant, 'acme')
    const error = thrown(() => scope.provide(tenant, 'other'))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /"tenant" was already provided/)
    assert.equal(await scope.get(tenant), 'acme')
  })
})

test('a scope below can have a value of its own, which those beside and above do not see', async (t) => {
  const { app } = setUp(t)
  await app.run(async (request) => {
    request.provide(tenant, 'outer')
    await request.run(async (block) => {
      block.provide(tenant, 'inner')
      assert.equal(await block.get(tenant), 'inner')
      assert.equal(await block.run((deep) => deep.get(tenant)), 'inner')
    })
    assert.equal(await request.run((block) => block.get(tenant)), 'outer')
    assert.equal(await request.get(tenant), 'outer')
  })
})

test('parallel requests have values of their own', async (t) => {
  const { app } = setUp(t)
  const ask = (name: string): Promise<string | undefined> =>
    app.run(async (scope) => {
      scope.provide(tenant, name)
      await Promise.resolve()
      return await inject(tenant)
    })
  assert.deepEqual(await Promise.all([ask('a'), ask('b'), ask('c')]), ['a', 'b', 'c'])
})

test('what a scope has read from above it cannot be provided there any more', async (t) => {
  const { app } = setUp(t)
  await app.run(async (request) => {
    request.provide(tenant, 'outer')
    await request.run(async (block) => {
      await block.run((deep) => deep.get(tenant))
      const error = thrown(() => block.provide(tenant, 'inner'))
      assert.ok(error instanceof TypeError)
      assert.match(error.message, /"tenant" was already read/)
    })
  })
})

test('what a scope has read from above it can be read there again', async (t) => {
  const { app } = setUp(t)
  await app.run(async (request) => {
    request.provide(tenant, 'outer')
    await request.run(async (block) => {
      assert.equal(await block.get(tenant), 'outer')
      assert.equal(await block.get(tenant), 'outer')
    })
  })
})

test('a request resource reads the input of its request, not that of the block that asked', async (t) => {
  const { app } = setUp(t)
  const greeting = resource({ acquire: async ({ get }) => `to ${await get(tenant)}` })
  await app.run(async (request) => {
    request.provide(tenant, 'request')
    await request.run(async (block) => {
      block.provide(tenant, 'block')
      assert.equal(await block.get(greeting), 'to request')
    })
  })
})

test('an app can provide for all its requests', async (t) => {
  const { app } = setUp(t)
  app.provide(tenant, 'everyone')
  const pool = resource({ lifetime: 'app', acquire: ({ get }) => get(tenant) })
  assert.equal(await app.run((scope) => scope.get(pool)), 'everyone')
})

test('a closing or closed scope takes no input, and a closed one gives none', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  let whileClosing: unknown
  scope.provide(tenant, 'acme')
  scope.defer(async () => {
    whileClosing = thrown(() => scope.provide(input('other'), 1))
    assert.equal(await scope.get(tenant), 'acme')
  })
  await scope.close()
  assert.ok(whileClosing instanceof ScopeClosedError)
  assert.ok(thrown(() => scope.provide(tenant, 'late')) instanceof ScopeClosedError)
  assert.ok((await rejection(scope.get(tenant))) instanceof ScopeClosedError)
})

test('a thenable is refused, because whoever reads it would run it', async (t) => {
  const { app } = setUp(t)
  const query = input<unknown>('query')
  await app.run((scope) => {
    assert.throws(() => scope.provide(query, Promise.resolve(1)), {
      name: 'TypeError',
      message: /given to provide\(\) for the input "query".*\{ query: value \}/,
    })
  })
})

test('only an input can be provided', async (t) => {
  const { app } = setUp(t)
  await app.run((scope) => {
    for (const other of [value(1), resource({ acquire: () => 1 }), {}, undefined]) {
      assert.throws(() => scope.provide(other as never, 1), {
        name: 'TypeError',
        message: /first argument of provide\(\) to be made by input\(\)/,
      })
    }
  })
})

test('a provided value is never released', async (t) => {
  const { app } = setUp(t)
  let disposed = 0
  const file = input<Disposable>('file')
  await app.run(async (scope) => {
    scope.provide(file, { [Symbol.dispose]: () => void (disposed += 1) })
    await scope.get(file)
  })
  assert.equal(disposed, 0)
})
