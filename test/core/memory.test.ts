/** What is closed leaves nothing behind: no child, no listener, no timer, no value. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import {
  createApp,
  input,
  resource,
  type AcquireContext,
  type App,
  type Resource,
  type Scope,
} from 'unwind'
import { collectedUntil, usedHeap } from './support/gc.ts'
import { quiet } from './support/promises.ts'
import { script } from './support/script.ts'

type Act = () => Promise<unknown>

/** Bytes that each of many calls of `act` left behind. */
async function growth(count: number, act: Act): Promise<number> {
  for (let round = 0; round < 2_000; round++) await act()
  const before = await usedHeap()
  for (let round = 0; round < count; round++) await act()
  return ((await usedHeap()) - before) / count
}

/** What is left behind is left behind each time; what somebody else allocated meanwhile is not. */
async function leavesBehind(bytes: number, count: number, act: Act): Promise<void> {
  let left = Infinity
  for (let attempt = 0; attempt < 3 && left >= bytes; attempt++) left = await growth(count, act)
  assert.ok(left < bytes, `${left} bytes for each, ${bytes} allowed`)
}

function countTimers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
}

test('a closed request is removed from its app: twenty thousand leave nothing', async () => {
  await using app = createApp()
  const lease = resource({ acquire: () => ({}), release: () => {} })
  const timers = countTimers()
  await leavesBehind(8, 20_000, () =>
    app.run(async (scope) => {
      scope.defer(() => {})
      await scope.get(lease)
      await scope.run(() => {})
    }),
  )
  assert.deepEqual(app.inspect().children, [])
  assert.deepEqual(getEventListeners(app.signal, 'abort'), [])
  assert.ok(countTimers() <= timers, 'timers were left behind')
})

test('an explicit child that was closed is removed from its parent', async () => {
  await using app = createApp()
  const parent = app.child()
  await leavesBehind(8, 20_000, () => parent.child().close())
})

test('a failed or aborted request leaves nothing either', async () => {
  await using app = createApp({ onError: () => {} })
  await leavesBehind(16, 20_000, async () => {
    await app.run(() => Promise.reject(new Error('B'))).catch(() => {})
    await app.run((scope) => scope.abort()).catch(() => {})
  })
})

test('no listener stays on a long-lived signal', async () => {
  await using app = createApp()
  const server = new AbortController()
  const { signal } = server
  const lease = resource({ acquire: () => 1 })
  for (let round = 0; round < 1_000; round++) {
    await app.run({ signal }, async (scope) => {
      await scope.get(lease, { signal })
    })
    await app.child({ signal }).close()
  }
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
})

test('requests that follow a composite of a long-lived signal leave nothing', async () => {
  await using app = createApp()
  const server = new AbortController()
  const client = new AbortController()
  const composite = (): AbortSignal => AbortSignal.any([server.signal, client.signal])
  const listener = (): void => {}
  // The platform keeps some bytes for each composite, whoever listened to it.
  const alone = async (): Promise<void> => {
    const signal = composite()
    signal.addEventListener('abort', listener)
    signal.removeEventListener('abort', listener)
  }
  const platform = Math.max(await growth(20_000, alone), await growth(20_000, alone))
  await leavesBehind(platform + 16, 20_000, () =>
    app.run({ signal: composite() }, (scope) => void scope.signal),
  )
})

test('no timer stays: not of a deadline, an acquireTimeout, a disposeTimeout or an abandonAfter', async () => {
  await using app = createApp()
  const lease = resource({
    acquireTimeout: 600_000,
    disposeTimeout: 600_000,
    acquire: quiet,
    release: quiet,
  })
  const before = countTimers()
  for (let round = 0; round < 50; round++) {
    await app.run({ timeout: 600_000, abandonAfter: 600_000 }, (scope) => scope.get(lease))
    const aborted = app.run({ abandonAfter: 600_000 }, (scope) => scope.abort())
    await aborted
    const child = app.child({ timeout: 600_000 })
    child.abort()
    await child.close()
  }
  assert.ok(countTimers() <= before, 'a timer for each request')
})

const keep = (): void => {}

/** In functions of their own, because closures of one function keep each other's variables. */
function holding(value: object): Resource<object> {
  return resource({ acquire: () => value, release: () => {} })
}
function keeping(value: object): () => object {
  return () => value
}

async function closedWithin(app: App): Promise<{ scope: Scope; values: WeakRef<object>[] }> {
  const acquired = {}
  const adopted = {}
  const deferred = {}
  const listening = {}
  const provided = {}
  const tenant = input<object>('tenant')
  let scope: Scope | undefined
  await app.run(async (opened) => {
    scope = opened
    opened.provide(tenant, provided)
    await opened.get(holding(acquired))
    opened.adopt(adopted, keep)
    opened.defer(keeping(deferred))
    opened.signal.addEventListener('abort', keeping(listening))
    opened.draining.addEventListener('abort', keeping(listening))
  })
  assert.ok(scope !== undefined)
  const values = [acquired, adopted, deferred, listening, provided]
  return { scope, values: values.map((value) => new WeakRef(value)) }
}

test('a closed scope that somebody keeps holds nothing of what was in it', async () => {
  await using app = createApp()
  const { scope, values } = await closedWithin(app)
  const gone = await collectedUntil(() => values.every((value) => value.deref() === undefined))
  assert.equal(gone, true)
  assert.equal(scope.state, 'closed')
})

async function timerWithin(app: App): Promise<{ timer: NodeJS.Timeout; value: WeakRef<object> }> {
  const value = {}
  const timer = await app.run(async (scope) => {
    await scope.get(holding(value))
    return setInterval(keep, 600_000)
  })
  return { timer, value: new WeakRef(value) }
}

test('a timer that outlives its request does not keep what the request held', async () => {
  await using app = createApp()
  const { timer, value } = await timerWithin(app)
  assert.equal(await collectedUntil(() => value.deref() === undefined), true)
  clearInterval(timer)
})

function opened(parent: Scope): WeakRef<Scope> {
  return new WeakRef(parent.child())
}

/** In a function of its own, so that the scope is on nobody's stack. */
async function close(scope: WeakRef<Scope>): Promise<void> {
  await scope.deref()?.close()
}

test('a scope is collected if and only if nobody holds it: its parent does while it is open', async () => {
  await using app = createApp()
  const parent = app.child()
  const child = opened(parent)
  assert.equal(await collectedUntil(() => child.deref() === undefined), false)
  await close(child)
  assert.equal(await collectedUntil(() => child.deref() === undefined), true)
  assert.equal(parent.state, 'open')
})

test('an open resource that asks for others again and again keeps none of them', async () => {
  await using app = createApp()
  const contexts: AcquireContext[] = []
  const worker = resource({
    name: 'worker',
    acquire: (context) => {
      contexts.push(context)
      return {}
    },
  })
  const job = resource({ name: 'job', lifetime: 'transient', acquire: async () => ({}) })
  await app.run(async (scope) => {
    await scope.get(worker)
    const [context] = contexts
    assert.ok(context !== undefined)
    await leavesBehind(16, 20_000, () => context.get(job))
  })
})

test('a timer that a task of all() left behind in an acquire function does not keep what that acquired', async () => {
  await using app = createApp()
  let timer: NodeJS.Timeout | undefined
  const leave = (): void => {
    timer = setInterval(() => {}, 1_000)
  }
  const references: WeakRef<object>[] = []
  const lease = resource({
    async acquire({ scope }) {
      await scope.all([leave])
      const value = {}
      references.push(new WeakRef(value))
      return value
    },
    release: () => {},
  })
  await app.run(async (scope) => void (await scope.get(lease)))
  const isGone = await collectedUntil(() => references.every((one) => one.deref() === undefined))
  clearInterval(timer)
  assert.ok(isGone)
})

test('a run that goes on behind what started it hands nothing to that any more', async () => {
  await using app = createApp()
  const opened = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<number>()
  let going: Promise<WeakRef<object>> | undefined
  const worker = resource({
    lifetime: 'app',
    acquire({ scope }) {
      going = scope.run(async () => {
        await opened.promise
        const source = (async function* () {})()
        await scope.stream(source).return()
        return new WeakRef(source)
      })
      return { work: true }
    },
    release: () => {},
  })
  const slow = resource({ lifetime: 'app', acquire: () => gate.promise })
  await app.get(worker)
  const getting = app.get(slow)
  opened.resolve()
  const reference = await going
  gate.resolve(1)
  await getting
  assert.ok(await collectedUntil(() => reference?.deref() === undefined))
})

test('the first app, and the first of what is held, keep nothing of the context in which they were made', async () => {
  const lines = await script(
    `
    import { AsyncLocalStorage } from 'node:async_hooks'
    import { DisposableStack } from 'unwind/stack'
    const storage = new AsyncLocalStorage()
    const references = {}
    function makeIn(name, make) {
      const request = {}
      references[name] = new WeakRef(request)
      return storage.run(request, make)
    }
    const app = makeIn('app', () => createApp())
    const held = makeIn('held', () => hold(1, () => {}))
    makeIn('stack', () => new DisposableStack().dispose())
    await app.close()
    await held[Symbol.asyncDispose]()
    for (let round = 0; round < 3; round += 1) {
      await turn()
      gc()
    }
    for (const name in references) if (references[name].deref()) console.log(name)
  `,
    '--expose-gc',
  )
  assert.deepEqual(lines, [])
})
