/** Where something leaked, and how much each level of leak detection finds out. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'
import {
  detectLeaks,
  hold,
  inject,
  resource,
  type App,
  type Channels,
  type LeakReport,
} from 'unwind'
import { thrown } from '../support/promises.ts'
import { script } from '../support/script.ts'
import { collectedUntil } from '../support/gc.ts'
import { connections, fresh, watch } from '../support/leaks.ts'

describe('the place', () => {
  test('is the caller, without frames of this package', async (t) => {
    const { app, leaks } = watch(t, 'full')
    const name = fresh('redis')
    function caller(): AsyncDisposable {
      return hold({}, () => {}, { name })
    }
    const [held] = await app.run(() => [caller()])
    const [leak] = leaks.of(name)
    assert.match(leak?.site ?? '', /^at caller \(.*leak-levels\.test\.[jt]s:\d+:\d+\)/)
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
      assert.match(snapshot.resources[0]?.stack ?? '', /^at .*leak-levels\.test\.[jt]s:/)
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
    assert.match(await leakOne(name), /leak-levels\.test\.[jt]s:/)
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

  test('off: nothing is reported of what was watched before, either', async () => {
    const told: LeakReport[] = []
    const onLeak = (leak: LeakReport): void => void told.push(leak)
    const name = fresh('lost')
    let collected = false
    const canary = new FinalizationRegistry(() => (collected = true))
    const forget = (): void => {
      using _watched = detectLeaks({ level: 'full' })
      hold({}, () => {}, { name })
      canary.register({}, undefined)
    }
    forget()
    using _off = detectLeaks({ level: 'off', onLeak })
    assert.ok(await collectedUntil(() => collected))
    await collectedUntil(() => told.some(({ resource }) => resource === name))
    assert.deepEqual(
      told.filter(({ resource }) => resource === name),
      [],
    )
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

for (const [how, async] of [
  ['throws', ''],
  ['rejects', 'async '],
] as const) {
  test(`a listener that ${how} keeps no scope from closing, and is a warning`, async () => {
    const lines = await script(`
    import { detectLeaks } from 'unwind'
    process.on('warning', ({ code, message }) => console.log(code, message.split('\\n')[0]))
    detectLeaks({ level: 'simple', ${async}onLeak() { throw new Error('of the listener') } })
    const app = createApp()
    console.log(await app.run(() => { hold({}, () => {}, { name: 'redis' }); return 'closed' }))
    await turn()
  `)
    assert.equal(lines.length, 3, lines.join('\n'))
    assert.ok(lines.includes('closed'))
    assert.ok(lines.some((line) => /^UNWIND_UNTHROWN "onLeak" failed .*of the listener/.test(line)))
  })
}

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
