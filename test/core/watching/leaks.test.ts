/** What is not given back is seen, said once for each place, and never taken away. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  createApp,
  detectLeaks,
  hold,
  resource,
  ScopeClosedError,
  value,
  type LeakReport,
} from 'unwind'
import { collectedUntil } from '../support/gc.ts'
import { rejection } from '../support/promises.ts'
import { script } from '../support/script.ts'
import { connections, fresh, watch } from '../support/leaks.ts'

describe('a leak that is certain', () => {
  for (const level of ['simple', 'sampled', 'full'] as const) {
    test(`what is held when its scope has closed is reported at once (${level})`, async (t) => {
      const { app, leaks } = watch(t, level)
      const name = fresh('redis')
      let held: AsyncDisposable | undefined
      await app.run({ name: 'orders' }, (scope) => {
        held = hold({}, () => {}, { name })
        assert.equal(scope.state, 'open')
        assert.deepEqual(leaks.of(name), [])
      })
      const [leak, ...more] = leaks.of(name)
      assert.deepEqual(more, [])
      assert.equal(leak?.reason, 'scope')
      assert.equal(leak.scope, 'orders')
      assert.ok(leak.heldMs >= 0)
      await held?.[Symbol.asyncDispose]()
    })
  }

  test('what is disposed inside its scope, or handed to it, is no leak', async (t) => {
    const { app, leaks } = watch(t, 'full')
    const name = fresh('redis')
    await app.run(async (scope) => {
      scope.use(hold({}, () => {}, { name }))
      await using _held = hold({}, () => {}, { name })
    })
    assert.deepEqual(leaks.of(name), [])
  })

  test('what is handed to a scope around is no leak of the one in which it was acquired', async (t) => {
    const { app, leaks } = watch(t, 'full')
    const name = fresh('redis')
    await app.run(async (scope) => {
      await scope.run(() => void scope.use(hold({}, () => {}, { name })))
      await scope.run(() => void app.use(hold({}, () => {}, { name })))
    })
    assert.deepEqual(leaks.of(name), [])
    assert.equal(app.inspect().resources[0]?.name, name)
  })

  test('what is released by whoever was told of another one is no leak', async (t) => {
    const names = [fresh('redis'), fresh('mail')] as const
    const held: AsyncDisposable[] = []
    const told: string[] = []
    const onLeak = ({ resource: leaked }: LeakReport): void => {
      told.push(leaked)
      for (const each of held) void each[Symbol.asyncDispose]()
    }
    using _detection = detectLeaks({ level: 'simple', onLeak })
    const { app } = watch(t, 'simple')
    await app.run(() => {
      for (const name of names) held.push(hold({}, () => {}, { name }))
    })
    assert.deepEqual(told, [names[0]])
  })

  test('nothing is taken away: what leaked can still be used, and is released by its owner', async (t) => {
    const { app, leaks } = watch(t, 'simple')
    const name = fresh('redis')
    let releases = 0
    const held = await app.run(() => [hold('still there', () => (releases += 1), { name })])
    assert.equal(leaks.of(name).length, 1)
    assert.equal(held[0]?.value, 'still there')
    assert.equal(releases, 0)
    await held[0]?.[Symbol.asyncDispose]()
    assert.equal(releases, 1)
  })

  test('a handle that becomes garbage before its release is reported', async (t) => {
    const { leaks } = watch(t, 'full')
    const name = fresh('redis')
    const forget = (): void => void hold({}, () => {}, { name })
    forget()
    assert.ok(await collectedUntil(() => leaks.of(name).length > 0))
    const [leak, ...more] = leaks.of(name)
    assert.deepEqual(more, [])
    assert.equal(leak?.reason, 'collected')
    assert.match(leak.site, /^at forget \(.*leaks\.test\.[jt]s:/)
  })

  test('a handle that became garbage is not reported again when its scope closes', async (t) => {
    const { app, leaks } = watch(t, 'full')
    const name = fresh('redis')
    const forget = (): void => void hold({}, () => {}, { name })
    const scope = app.child()
    scope.enter(forget)
    assert.ok(await collectedUntil(() => leaks.of(name).length > 0))
    await scope.close()
    assert.deepEqual(
      leaks.of(name).map(({ reason }) => reason),
      ['collected'],
    )
  })

  test('a scope that becomes garbage while it is open is reported, with what it holds', async (t) => {
    const { leaks } = watch(t, 'full')
    const name = fresh('connection')
    const connection = connections(name)
    const forget = async (): Promise<void> => {
      await createApp()
        .child({ name: `job of ${name}` })
        .get(connection)
    }
    await forget()
    const scopeLeaks = (): LeakReport[] =>
      leaks.of('scope').filter(({ scope }) => scope?.includes(`job of ${name}`) === true)
    assert.ok(await collectedUntil(() => scopeLeaks().length > 0 && leaks.of(name).length > 0))
    assert.equal(scopeLeaks()[0]?.reason, 'collected')
    assert.equal(leaks.of(name)[0]?.reason, 'collected')
    assert.match(leaks.of(name)[0]?.scope ?? '', new RegExp(`job of ${name}`))
  })

  test('what was released, and becomes garbage after that, is reported if and only if it was not', async (t) => {
    const { leaks } = watch(t, 'full')
    const [kept, lost] = [fresh('kept'), fresh('lost')]
    const forget = async (): Promise<void> => {
      const app = createApp()
      await app.run(async (scope) => scope.get(connections(kept)))
      await hold({}, () => {}, { name: kept })[Symbol.asyncDispose]()
      hold({}, () => {}, { name: lost })
    }
    await forget()
    assert.ok(await collectedUntil(() => leaks.of(lost).length > 0))
    assert.deepEqual(leaks.of(kept), [])
  })
})

describe('a leak that is suspected', () => {
  test('a resource held for longer than the threshold is reported while it is held', async (t) => {
    const { app, leaks } = watch(t, 'simple', 20)
    const name = fresh('connection')
    const connection = connections(name)
    await app.run({ name: 'report' }, async (scope) => {
      await scope.get(connection)
      const leak = await leaks.first(name)
      assert.equal(leak.reason, 'age')
      assert.equal(leak.scope, 'report')
      assert.ok(leak.heldMs > 20, String(leak.heldMs))
      assert.equal(scope.state, 'open')
    })
    assert.equal(leaks.of(name).length, 1)
  })

  test('what lives as long as the app, what was given to use, and what was held in no scope is not suspected', async (t) => {
    const { app, leaks } = watch(t, 'simple', 20)
    const [pool, given, held, canary] = ['pool', 'given', 'held', 'canary'].map(fresh)
    const poolResource = resource({
      name: pool ?? '',
      lifetime: 'app',
      acquire: () => ({}),
      release: () => {},
    })
    await using _held = hold({}, () => {}, { name: held ?? '' })
    await app.run(async (scope) => {
      await scope.get(poolResource)
      scope.use(hold({}, () => {}, { name: given ?? '' }))
      scope.defer(() => {})
      // Younger than all of them, and looked at in the same sweep.
      await scope.get(connections(canary ?? ''))
      await leaks.first(canary ?? '')
    })
    assert.deepEqual(
      leaks.all.map((leak) => leak.resource),
      [canary],
    )
  })

  test('what is released before the threshold is not suspected', async (t) => {
    const { app, leaks } = watch(t, 'simple', 20)
    const [short, canary] = [fresh('short'), fresh('canary')]
    await app.run((scope) => scope.get(connections(short)))
    await app.run(async (scope) => {
      await scope.get(connections(canary))
      await leaks.first(canary)
    })
    assert.deepEqual(leaks.of(short), [])
  })

  test('the process is warned once for each place, and told when it came back after all', async () => {
    const lines = await script(`
      import { detectLeaks } from 'unwind'
      const alive = setInterval(() => {}, 1_000)
      process.on('warning', ({ name, code, message, detail }) => console.log(name, code, message, '|', detail?.split('\\n')[0]))
      const reported = []
      const seen = () => new Promise((resolve) => { wake = resolve })
      let wake
      detectLeaks({ level: 'full', threshold: 20, onLeak: (leak) => { reported.push(leak); wake() } })
      const app = createApp()
      const connection = resource({ name: 'connection', acquire: () => ({}), release: () => {} })
      async function handler(scope) {
        await scope.get(connection)
        await seen()
      }
      for (let i = 0; i < 3; i++) await app.run({ name: 'page' }, handler)
      await turn()
      console.log(reported.length)
      clearInterval(alive)
    `)
    const [first, second, count, ...rest] = lines
    assert.deepEqual(rest, [])
    assert.match(
      first ?? '',
      /^UnwindWarning UNWIND_LEAK Suspected leak: "connection" of "page".* has been held for \d+ ms\..*\| Acquired at handler/,
    )
    assert.match(
      second ?? '',
      /^UnwindWarning UNWIND_LEAK "connection" .*returned after all, after/,
    )
    assert.equal(count, '3')
  })
})

test('what is suspected is reported once, however long it is held', async (t) => {
  const { app, leaks } = watch(t, 'simple', 20)
  const [old, canary] = [fresh('old'), fresh('canary')]
  await app.run(async (scope) => {
    await scope.get(connections(old))
    await leaks.first(old)
    // Found by a later look at both of them.
    await scope.get(connections(canary))
    await leaks.first(canary)
  })
  assert.equal(leaks.of(old).length, 1)
})

test('what failed to be acquired, and what owes nothing, is no leak', async (t) => {
  const { app, leaks } = watch(t, 'full')
  const [failed, lender, borrower, lost] = ['failed', 'lender', 'borrower', 'lost'].map(fresh)
  const forget = async (): Promise<void> => {
    const broken = resource({
      name: failed ?? '',
      acquire: () => Promise.reject(new Error('A')),
      release() {},
    })
    const lent = connections(lender ?? '')
    const handedOn = resource({ name: borrower ?? '', acquire: ({ get }) => get(lent) })
    await app.run(async (scope) => {
      await rejection(scope.get(broken))
      assert.equal(await scope.get(handedOn), await scope.get(lent))
    })
    hold({}, () => {}, { name: lost ?? '' })
  }
  await forget()
  assert.ok(await collectedUntil(() => leaks.of(lost ?? '').length > 0))
  assert.deepEqual(
    leaks.all.map((leak) => leak.resource),
    [lost],
  )
})

describe('a use of a closed scope', () => {
  const connection = value({})

  test('says where close() was called, at the level full', async (t) => {
    const { app } = watch(t, 'full')
    const scope = app.child()
    const closeIt = async (): Promise<void> => scope.close()
    await closeIt()
    const error = await rejection(scope.get(connection))
    assert.ok(error instanceof ScopeClosedError)
    assert.ok(error.cause instanceof Error)
    assert.match(error.cause.stack ?? '', /closed here\.\n {4}at closeIt \(.*leaks\.test/)
  })

  test('says where the body was run, at the level full', async (t) => {
    const { app } = watch(t, 'full')
    const runIt = () => app.run((inner) => ({ inner }))
    const { inner } = await runIt()
    const error = await rejection(inner.get(connection))
    assert.ok(error instanceof ScopeClosedError && error.cause instanceof Error)
    assert.match(error.cause.stack ?? '', /closes with the body run here\.\n {4}at runIt \(/)
  })

  test('has no cause at any other level', async (t) => {
    const { app } = watch(t, 'simple')
    const { inner } = await app.run((scope) => ({ inner: scope }))
    const error = await rejection(inner.get(connection))
    assert.ok(error instanceof ScopeClosedError)
    assert.equal(error.cause, undefined)
  })
})
