/** Which scope is ambient where: `currentScope`, `inject`, `enter`, `bind`, and the context of callbacks. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import {
  currentScope,
  inject,
  NoScopeError,
  resource,
  ScopeClosedError,
  tryCurrentScope,
  type Scope,
} from 'unwind'
import { setUp } from './support/app.ts'
import { quiet, rejection, thrown, within } from './support/promises.ts'

test('inside run the scope is ambient, before and after an await; outside nothing is', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    assert.equal(currentScope(), scope)
    await quiet()
    assert.equal(currentScope(), scope)
    await scope.run(async (inner) => {
      assert.equal(currentScope(), inner)
    })
    assert.equal(currentScope(), scope)
  })
  assert.equal(tryCurrentScope(), undefined)
})

test('outside every scope currentScope throws and inject rejects with a NoScopeError that says what to do', async (t) => {
  const { tracker } = setUp(t)
  const error = thrown(() => currentScope())
  assert.ok(error instanceof NoScopeError)
  assert.equal(error.code, 'ERR_NO_SCOPE')
  assert.match(error.message, /currentScope\(\).*scope\.run/)
  assert.equal(tryCurrentScope(), undefined)
  const rejected = await rejection(inject(tracker.resource('lease')))
  assert.ok(rejected instanceof NoScopeError)
  assert.match(rejected.message, /inject\(\)/)
  assert.equal(tracker.count('lease'), 0)
})

test('inject of what is no resource is told about inject', async (t) => {
  const { app } = setUp(t)
  const error = await rejection(app.run(() => inject({} as never)))
  assert.ok(error instanceof TypeError)
  assert.match(error.message, /argument of get\(\) or inject\(\)/)
})

test('run does not leak its scope into its caller', async (t) => {
  const { app } = setUp(t)
  const running = app.run(quiet)
  assert.equal(tryCurrentScope(), undefined)
  await running
  assert.equal(tryCurrentScope(), undefined)
  await rejection(
    app.run(() => {
      throw new Error('B')
    }),
  )
  assert.equal(tryCurrentScope(), undefined)
})

test('inject gives what the ambient scope gives', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  await app.run(async (scope) => {
    assert.equal(await inject(lease), await scope.get(lease))
  })
})

test('what the body does after a get still runs in its own scope', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: quiet })
  const lease = tracker.resource('lease', { onAcquire: quiet })
  await app.run(async (request) => {
    await request.run(async (scope) => {
      for (const one of [pool, lease]) {
        const getting = scope.get(one)
        assert.equal(currentScope(), scope)
        await getting
        assert.equal(currentScope(), scope)
      }
    })
  })
})

test('parallel requests never see each other', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease', { onAcquire: quiet })
  const requests = Array.from({ length: 50 }, (_none, index) =>
    app.run({ name: `request ${index}` }, async (scope) => {
      const held = await inject(lease)
      for (let round = 0; round < index % 5; round++) await quiet()
      assert.equal(currentScope(), scope)
      assert.equal(await inject(lease), held)
      return held
    }),
  )
  assert.equal(new Set(await Promise.all(requests)).size, 50)
})

const storage = new AsyncLocalStorage<string>()

test('acquire, release, deferred code and the code after a yield run where the scope was opened, with it ambient', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const note = (what: string): void => {
    seen.push(`${what}: ${tryCurrentScope()?.name}, ${storage.getStore()}`)
  }
  const spec = resource({
    acquire: async () => {
      note('acquire')
      await quiet()
      note('acquire, later')
    },
    release: () => note('release'),
  })
  const generator = resource(async function* () {
    note('before the yield')
    yield 1
    note('after the yield')
    await quiet()
    note('after the yield, later')
  })
  const scope = storage.run('opener', () => app.child({ name: 'explicit' }))
  await storage.run('caller', async () => {
    await scope.get(spec)
    await scope.get(generator)
    scope.defer(() => note('deferred'))
    scope.adopt(1, () => note('adopted'))
    scope.use({ [Symbol.asyncDispose]: async () => note('disposer') })
  })
  scope.complete()
  await storage.run('closer', () =>
    app.run({ name: 'somebody else' }, async () => {
      await scope.close()
      note('closer')
    }),
  )
  assert.equal(seen.pop(), 'closer: somebody else, closer')
  assert.deepEqual(
    seen.map((line) => line.replace(/^.*: /, '')),
    Array.from({ length: 9 }, () => 'explicit, opener'),
  )
})

test('a request resource asked for in a block is acquired and released in the context of its request', async (t) => {
  const { app } = setUp(t)
  const seen: unknown[] = []
  const note = (): void => void seen.push(tryCurrentScope(), storage.getStore())
  const lease = resource({ acquire: note, release: note })
  await storage.run('request', () =>
    app.run(async (request) => {
      await storage.run('block', () => request.run((block) => block.get(lease)))
      seen.push(request)
    }),
  )
  const request = seen[2]
  assert.deepEqual(seen, [request, 'request', request, request, 'request'])
})

test('a listener of the signal runs in the scope, whoever aborts it', async (t) => {
  const { app } = setUp(t)
  const seen: unknown[] = []
  const scope = storage.run('opener', () => app.child())
  const child = storage.run('child', () => scope.child())
  for (const one of [scope, child]) {
    one.signal.addEventListener('abort', () => seen.push(tryCurrentScope(), storage.getStore()))
  }
  await storage.run('aborter', () => app.run(() => scope.abort()))
  assert.deepEqual(seen, [scope, 'opener', child, 'child'])
})

test('an app resource made inside a request does not keep that request as its context', async (t) => {
  const { app } = setUp(t)
  const pool = resource({
    lifetime: 'app',
    acquire: () => {
      const emitter = new EventEmitter()
      setImmediate(() => emitter.emit('ready', tryCurrentScope(), storage.getStore()))
      return emitter
    },
  })
  const [scope, stored] = await storage.run('request', () =>
    app.run(async (request) => {
      const emitter = await request.get(pool)
      return await new Promise<unknown[]>((resolve) => {
        emitter.once('ready', (...values: unknown[]) => resolve(values))
      })
    }),
  )
  assert.equal(scope, app)
  assert.equal(stored, undefined)
})

test('code that outlives its scope still sees that scope, and is told that it is closed', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const later = Promise.withResolvers<void>()
  let opened: Scope | undefined
  let outliving: Promise<unknown[]> | undefined
  await app.run(async (scope) => {
    opened = scope
    outliving = later.promise.then(async () => [tryCurrentScope(), await rejection(inject(lease))])
  })
  later.resolve()
  const [seen, error] = (await outliving) ?? []
  assert.equal(seen, opened)
  assert.ok(error instanceof ScopeClosedError)
  assert.equal(tracker.count('lease'), 0)
})

test('a timer that outlives its scope gets ScopeClosedError from run, not a scope of somebody else', async (t) => {
  const { app } = setUp(t)
  const fired = Promise.withResolvers<unknown>()
  await app.run(() => {
    setImmediate(() => fired.resolve(rejection(currentScope().run(() => {}))))
  })
  assert.ok((await within(fired.promise)) instanceof ScopeClosedError)
})

test('child and await using do not touch the ambient scope; enter does, for its callback only', async (t) => {
  const { app } = setUp(t)
  await using child = app.child()
  assert.equal(tryCurrentScope(), undefined)
  const inside = child.enter(() => currentScope())
  assert.equal(inside, child)
  assert.equal(tryCurrentScope(), undefined)
  const later = await child.enter(async () => {
    await quiet()
    return currentScope()
  })
  assert.equal(later, child)
  assert.throws(() => child.enter(() => assert.fail('passed on')), /passed on/)
  assert.equal(tryCurrentScope(), undefined)
  child.complete()
})

test('enter keeps the rest of the context of its caller', async (t) => {
  const { app } = setUp(t)
  const scope = storage.run('opener', () => app.child())
  storage.run('caller', () => {
    scope.enter(() => assert.equal(storage.getStore(), 'caller'))
    assert.equal(storage.getStore(), 'caller')
  })
})

test('bind gives a listener the scope back, with its arguments, its this and its result', async (t) => {
  const { app } = setUp(t)
  const emitter = new EventEmitter()
  const seen: unknown[] = []
  const bound = await app.run((scope) => {
    const listener = scope.bind(function (this: unknown, ...parameters: unknown[]): string {
      seen.push(this, parameters, tryCurrentScope())
      return 'result'
    })
    emitter.on('event', listener)
    emitter.emit('event', 1, 2)
    assert.deepEqual(seen, [emitter, [1, 2], scope])
    return app.enter(() => listener.call('receiver', 3))
  })
  assert.equal(bound, 'result')
  assert.deepEqual(seen.slice(3, 5), ['receiver', [3]])
  assert.equal(seen[5], seen[2])
  assert.equal(tryCurrentScope(), undefined)
})

test('a listener that was bound while a replacement was acquired is given that, and not what it replaced', async (t) => {
  const { app } = setUp(t)
  const original = resource({ name: 'settings', lifetime: 'app', acquire: () => ['original'] })
  const emitted = new EventEmitter()
  const replacement = resource({
    name: 'replacement',
    lifetime: 'app',
    acquire: () => {
      const emit = AsyncResource.bind(app.bind(() => inject(original)))
      emitted.on('event', (tell: (given: Promise<unknown>) => void) => tell(emit()))
      return ['replacement']
    },
  })
  app.override(original, replacement)
  const value = await app.get(original)
  const given = new Promise((resolve) => void emitted.emit('event', resolve))
  assert.equal(await given, value)
})
