/** What is not given back is seen, said once for each place, and never taken away. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test, type TestContext } from 'node:test'
import {
  createApp,
  detectLeaks,
  hold,
  inject,
  resource,
  ScopeClosedError,
  value,
  type App,
  type Channels,
  type LeakLevel,
  type LeakReport,
} from 'unwind'
import { collectedUntil } from './support/gc.ts'
import { rejection, thrown, within } from './support/promises.ts'
import { script } from './support/script.ts'

let names = 0

/** A name that no other test has: what is told once is told once in a process. */
function fresh(name: string): string {
  names += 1
  return `${name} ${names}`
}

class Leaks {
  readonly all: LeakReport[] = []
  #wake: (() => void) | undefined

  readonly add = (leak: LeakReport): void => {
    this.all.push(leak)
    this.#wake?.()
  }

  of(resource: string): LeakReport[] {
    return this.all.filter((leak) => leak.resource === resource)
  }

  /** The first leak of `resource`. */
  async first(resource: string): Promise<LeakReport> {
    for (;;) {
      const [leak] = this.of(resource)
      if (leak !== undefined) return leak
      await within(
        new Promise<void>((resolve) => {
          this.#wake = resolve
        }),
      )
    }
  }
}

function watch(t: TestContext, level: LeakLevel, threshold = 30_000): { app: App; leaks: Leaks } {
  const leaks = new Leaks()
  const detection = detectLeaks({ level, threshold, onLeak: leaks.add })
  const app = createApp({ name: 'shop' })
  t.after(async () => {
    await app.close()
    detection[Symbol.dispose]()
  })
  return { app, leaks }
}

function connections(name: string) {
  return resource({ name, acquire: async () => ({}), release: async () => {} })
}

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
      /^UnwindWarning UNWIND_LEAK Suspected leak: "connection" of "page".* is held for \d+ ms now\..*\| Acquired at handler/,
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

describe('the place', () => {
  test('is the caller, without frames of this package', async (t) => {
    const { app, leaks } = watch(t, 'full')
    const name = fresh('redis')
    function caller(): AsyncDisposable {
      return hold({}, () => {}, { name })
    }
    const [held] = await app.run(() => [caller()])
    const [leak] = leaks.of(name)
    assert.match(leak?.site ?? '', /^at caller \(.*leaks\.test\.[jt]s:\d+:\d+\)/)
    assert.doesNotMatch(leak?.site ?? '', /dist\/|node:internal/)
    await held?.[Symbol.asyncDispose]()
  })

  for (const [way, ask] of [
    [
      'scope.get',
      (app: App, of: ReturnType<typeof connections>) =>
        app.run(async (scope) => {
          await scope.get(of)
          return scope.inspect()
        }),
    ],
    [
      'inject',
      (app: App, of: ReturnType<typeof connections>) =>
        app.run(async (scope) => {
          await inject(of)
          return scope.inspect()
        }),
    ],
    [
      'use',
      (app: App) =>
        app.run((scope) => {
          scope.use({ [Symbol.dispose]() {} })
          return scope.inspect()
        }),
    ],
  ] as const) {
    test(`inspect() shows it, of what came by ${way}`, async (t) => {
      const { app } = watch(t, 'full')
      const snapshot = await ask(app, connections(fresh('connection')))
      assert.match(snapshot.resources[0]?.stack ?? '', /^at .*leaks\.test\.[jt]s:/)
    })
  }

  test('is not recorded at the level simple, and the report says how to see it', async (t) => {
    const { app, leaks } = watch(t, 'simple')
    const name = fresh('redis')
    const [held] = await app.run(() => [hold({}, () => {}, { name })])
    assert.match(leaks.of(name)[0]?.site ?? '', /UNWIND_LEAKS=full/)
    await held?.[Symbol.asyncDispose]()
  })

  test('is recorded of the next hundred acquisitions of a name that leaked without one', async (t) => {
    const { app, leaks } = watch(t, 'simple')
    const [name, other] = [fresh('redis'), fresh('mongo')]
    const leakOne = async (of: string): Promise<string> => {
      const [held] = await app.run(() => [hold({}, () => {}, { name: of })])
      await held?.[Symbol.asyncDispose]()
      return leaks.of(of).at(-1)?.site ?? ''
    }
    assert.match(await leakOne(name), /UNWIND_LEAKS=full/)
    assert.match(await leakOne(name), /leaks\.test\.[jt]s:/)
    assert.match(await leakOne(other), /UNWIND_LEAKS=full/)
    for (let i = 0; i < 99; i += 1) await hold({}, () => {}, { name })[Symbol.asyncDispose]()
    assert.match(await leakOne(name), /UNWIND_LEAKS=full/)
  })

  test('is recorded of some acquisitions at the level sampled', async (t) => {
    const { app } = watch(t, 'sampled')
    const connection = resource({
      name: fresh('connection'),
      lifetime: 'transient',
      acquire: () => ({}),
      release: () => {},
    })
    const total = 128 * 40
    const stacks = await app.run(async (scope) => {
      for (let i = 0; i < total; i += 1) await scope.get(connection)
      return scope.inspect().resources.filter(({ stack }) => stack !== undefined).length
    })
    assert.ok(stacks > 0 && stacks < total / 4, String(stacks))
  })
})

describe('the level', () => {
  test('off: nothing is reported', async (t) => {
    const { app, leaks } = watch(t, 'off', 0)
    const name = fresh('redis')
    const [held] = await app.run(() => [hold({}, () => {}, { name })])
    await held?.[Symbol.asyncDispose]()
    assert.deepEqual(leaks.all, [])
  })

  test('holds until it is disposed, and the one before it comes back', async (t) => {
    const { app, leaks } = watch(t, 'simple')
    const name = fresh('redis')
    const leakOne = async (): Promise<void> => {
      const [held] = await app.run(() => [hold({}, () => {}, { name })])
      await held?.[Symbol.asyncDispose]()
    }
    {
      using _off = detectLeaks({ level: 'off' })
      await leakOne()
    }
    assert.equal(leaks.of(name).length, 0)
    await leakOne()
    assert.equal(leaks.of(name).length, 1)
  })

  test('comes from UNWIND_LEAKS; without it, it is simple; another word is a warning', async () => {
    const source = `
      process.on('warning', ({ code, message }) => { if (code !== 'UNWIND_LEAK') console.log(code, message) })
      const snapshot = await run(async (scope) => {
        scope.use({ [Symbol.dispose]() {} })
        return scope.inspect()
      })
      await turn()
      console.log(snapshot.resources[0].stack === undefined)
    `
    const before = process.env['UNWIND_LEAKS']
    const withLevel = async (level: string): Promise<string[]> => {
      process.env['UNWIND_LEAKS'] = level
      return await script(source)
    }
    try {
      assert.deepEqual(await withLevel(''), ['true'])
      assert.deepEqual(await withLevel('full'), ['false'])
      const [warning, none] = await withLevel('all')
      assert.match(warning ?? '', /^UNWIND_LEAKS_LEVEL .*"all".*Known: off, simple, sampled, full/)
      assert.equal(none, 'true')
    } finally {
      if (before === undefined) delete process.env['UNWIND_LEAKS']
      else process.env['UNWIND_LEAKS'] = before
    }
  })

  test('is asked for by name; anything else is a TypeError that says what was expected', () => {
    // What a program without types could pass.
    const detect = detectLeaks as (options?: object) => Disposable
    assert.match(String(thrown(() => detect())), /TypeError: Expected option `level`/)
    assert.match(
      String(thrown(() => detect({ level: 'loud' }))),
      /'off' or 'simple' or 'sampled' or 'full'/,
    )
    assert.match(
      String(thrown(() => detect({ level: 'full', after: 1 }))),
      /Unknown option `after`/,
    )
    assert.match(String(thrown(() => detect({ level: 'full', threshold: '1s' }))), /milliseconds/)
  })

  test('a process that holds something ends all the same', async () => {
    const lines = await script(`
      hold({}, () => {})
      const app = createApp()
      app.child().use({ [Symbol.dispose]() {} })
      console.log('ends')
    `)
    assert.deepEqual(lines, ['ends'])
  })
})

test('a listener that throws keeps no scope from closing, and is a warning', async () => {
  const lines = await script(`
    import { detectLeaks } from 'unwind'
    process.on('warning', ({ code, message }) => console.log(code, message.split('\\n')[0]))
    detectLeaks({ level: 'simple', onLeak() { throw new Error('of the listener') } })
    const app = createApp()
    console.log(await app.run(() => { hold({}, () => {}, { name: 'redis' }); return 'closed' }))
    await turn()
  `)
  assert.equal(lines.length, 3, lines.join('\n'))
  assert.ok(lines.includes('closed'))
  assert.ok(lines.some((line) => /^UNWIND_UNTHROWN "onLeak" failed .*of the listener/.test(line)))
})

test('every leak is published, and not only the first one of its place', async (t) => {
  const { app, leaks } = watch(t, 'full')
  const name = fresh('redis')
  const published: Channels['unwind:resource:leaked'][] = []
  const listener = (message: unknown): void => {
    // What this channel publishes.
    published.push(message as LeakReport)
  }
  subscribe('unwind:resource:leaked', listener)
  t.after(() => unsubscribe('unwind:resource:leaked', listener))
  for (let i = 0; i < 3; i += 1) {
    const [held] = await app.run(() => [hold({}, () => {}, { name })])
    await held?.[Symbol.asyncDispose]()
  }
  assert.equal(leaks.of(name).length, 3)
  assert.deepEqual(
    published.filter((leak) => leak.resource === name),
    leaks.of(name),
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
