/** Options are checked at the door: what is unknown or wrong is a TypeError that names it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, hold, resource, run, value, type Resource } from 'unwind'
import { setUp } from './support/app.ts'
import { rejection, thrown } from './support/promises.ts'

type Options = Record<string, unknown>

interface Door {
  /** As the messages call it. */
  readonly name: string
  /** Gives the error, thrown or rejected. */
  readonly open: (options: unknown) => Promise<unknown>
  /** For each option values that are accepted, and some that are not. */
  readonly options: Record<string, { readonly good: unknown[]; readonly bad: unknown[] }>
}

const milliseconds = {
  good: [0, 1, 0.5, 2 ** 31 - 1, undefined],
  bad: [-1, Number.NaN, Infinity, 2 ** 31, '5', null, 5n, {}],
}
const text = { good: ['', 'name', undefined], bad: [1, null, Symbol('name'), {}] }
const callable = { good: [() => {}, undefined], bad: [1, null, 'text', {}] }
const flag = { good: [true, false, undefined], bad: [0, 'true', null] }

const inherited = {
  name: text,
  disposeTimeout: milliseconds,
  abandonAfter: milliseconds,
  overrides: { good: [[], new Set(), undefined], bad: [1, null, {}, [1], [{}]] },
  onError: callable,
}
const scope = {
  ...inherited,
  kind: { good: ['request', 'scope', undefined], bad: ['app', 'other', null, 1] },
  signal: {
    good: [new AbortController().signal, undefined],
    bad: [new AbortController(), {}, null, 1],
  },
  timeout: milliseconds,
}
const traits = {
  name: text,
  lifetime: {
    good: ['app', 'request', 'scope', 'transient', undefined],
    bad: ['singleton', '', null, 1],
  },
  acquireTimeout: milliseconds,
  disposeTimeout: milliseconds,
  critical: flag,
}

async function failure(act: () => unknown): Promise<unknown> {
  try {
    await act()
    return undefined
  } catch (error) {
    return error
  }
}

const doors: Door[] = [
  {
    name: 'createApp()',
    open: (options) => failure(() => createApp(options as Options).close()),
    options: inherited,
  },
  {
    name: 'child()',
    open: (options) =>
      failure(() =>
        createApp()
          .child(options as Options)
          .close(),
      ),
    options: scope,
  },
  {
    name: 'run()',
    open: (options) => failure(() => createApp().run(options as Options, () => {})),
    options: scope,
  },
  {
    name: 'run() outside every scope',
    open: (options) => failure(() => run(options as Options, () => {})),
    options: scope,
  },
  {
    name: 'resource() with a generator',
    open: (options) =>
      failure(() =>
        resource(function* () {
          yield 1
        }, options as Options),
      ),
    options: traits,
  },
  {
    name: 'resource()',
    open: (options) =>
      failure(() => {
        const wrong = typeof options !== 'object' || options === null
        return resource((wrong ? options : { acquire: () => 1, ...options }) as never)
      }),
    options: { ...traits, release: callable, destroy: callable },
  },
  {
    name: 'value()',
    open: (options) => failure(() => value(1, options as Options)),
    options: { name: text },
  },
  {
    name: 'hold()',
    open: (options) => failure(() => hold(1, () => {}, options as Options)[Symbol.asyncDispose]()),
    options: { name: text, disposeTimeout: milliseconds },
  },
  {
    name: 'get()',
    open: (options) =>
      failure(() => createApp().get(value(1), options as { signal?: AbortSignal })),
    options: { signal: scope.signal },
  },
  {
    name: 'fork()',
    open: (options) =>
      failure(() =>
        createApp()
          .child()
          .fork(() => {}, options as { onClose?: 'await' }),
      ),
    options: { onClose: { good: ['await', 'abort', undefined], bad: ['never', true, null] } },
  },
]

for (const { name, open, options } of doors) {
  const call = name.replace(/ .*/, '')

  for (const [option, { good, bad }] of Object.entries(options)) {
    test(`${name} takes every legal value of ${option}`, async () => {
      for (const legal of good) assert.equal(await open({ [option]: legal }), undefined)
    })

    test(`${name} refuses a wrong ${option}, naming it, what it expects and what it got`, async () => {
      for (const wrong of bad) {
        const error = await open({ [option]: wrong })
        assert.ok(error instanceof TypeError, `${option}: ${String(wrong)}`)
        assert.match(error.message, new RegExp(option))
        assert.match(error.message, /Expected .* to be .*, received /)
      }
    })
  }

  test(`${name} refuses an option that it does not know, and lists those that it knows`, async () => {
    const error = await open({ tiemout: 1 })
    assert.ok(error instanceof TypeError)
    assert.ok(error.message.startsWith(`Unknown option \`tiemout\` of ${call}`), error.message)
    for (const option of Object.keys(options)) assert.ok(error.message.includes(option))
  })

  test(`${name} refuses options that are no object`, async () => {
    for (const wrong of [null, 1, 'options', true]) {
      assert.ok((await open(wrong)) instanceof TypeError, String(wrong))
    }
  })
}

test('run refuses a body that is no function, as a rejection', async (t) => {
  const { app } = setUp(t)
  for (const running of [app.run(1 as never), app.run({}, undefined as never), run(1 as never)]) {
    const error = await rejection(running)
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /body given to run\(\) to be a function/)
  }
})

test('get refuses what is no resource, as a rejection', async (t) => {
  const { app } = setUp(t)
  for (const wrong of [undefined, null, {}, 'lease', () => {}]) {
    const error = await rejection(app.child().get(wrong as Resource<unknown>))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /get\(\) or inject\(\) to be a resource made by resource\(\)/)
  }
})

test('a get refused at the door has acquired nothing', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const scopes = app.child()
  await rejection(scopes.get(lease, { sginal: 1 } as never))
  assert.equal(tracker.count('lease'), 0)
})

test('resource and hold refuse what cannot acquire or release', () => {
  for (const wrong of [undefined, null, 1, {}, { acquire: 1 }, { release: () => {} }]) {
    assert.match(
      String(thrown(() => resource(wrong as never))),
      /^TypeError: Expected .*resource\(\)/,
    )
  }
  for (const wrong of [undefined, null, 1, {}]) {
    const error = thrown(() => hold(1, wrong as never))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /second argument of hold\(\)/)
  }
})

test('enter and bind refuse what is no function', async (t) => {
  const { app } = setUp(t)
  assert.match(String(thrown(() => app.enter(1 as never))), /TypeError.*enter\(\)/)
  assert.match(String(thrown(() => app.bind(1 as never))), /TypeError.*bind\(\)/)
})

test('a resource says its name and lifetime, and cannot be changed', () => {
  const named = resource(function* connection() {
    yield 1
  })
  const pool = resource({ name: 'pool', lifetime: 'app', acquire: () => 1 })
  const anonymous = resource({ acquire: () => 1 })
  assert.deepEqual([named.name, named.lifetime], ['connection', 'request'])
  assert.deepEqual([pool.name, pool.lifetime], ['pool', 'app'])
  assert.equal(anonymous.name, 'anonymous')
  assert.ok(Object.isFrozen(pool))
})

test('what was received is shown in at most 80 characters', () => {
  const names = Object.fromEntries(
    Array.from({ length: 99 }, (_, index) => [`name${index}`, index]),
  )
  const error = thrown(() => createApp({ name: names as never }))
  assert.ok(error instanceof TypeError)
  const [, received = ''] = /, received (.*)\.$/.exec(error.message) ?? []
  assert.match(received, /^\{ name0: 0, .*…$/)
  assert.equal(received.length, 80)
})

test('options are a plain object: of anything else the keys would be passed over in silence', async (t) => {
  const { app, tracker } = setUp(t)
  const signal = AbortSignal.abort()
  class Settings {
    timeout = 5
  }
  const mistakes: [unknown, RegExp][] = [
    [new Map([['timeout', 5]]), /options of run\(\) to be a plain object, received .*Map/],
    [new Settings(), /received an instance of Settings/],
    [Object.create({ timeout: 5 }), /received/],
    [[], /received \[\]/],
  ]
  for (const [options, message] of mistakes) {
    const error = await rejection(app.run(options as never, () => {}))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, message)
  }
  const error = await rejection(app.get(tracker.resource('pool'), signal as never))
  assert.match(String(error), /options of get\(\) to be a plain object, received .*AbortSignal/)
  await app.run(Object.assign(Object.create(null), { name: 'bare' }), () => {})
})

test('options after the body are refused: they would be passed over', async (t) => {
  const { app } = setUp(t)
  const backwards = [() => {}, { timeout: 5 }] as unknown as [() => void]
  const runs = [() => app.run(...backwards), () => app.run((scope) => scope.run(...backwards))]
  for (const act of [...runs, () => run(...backwards)]) {
    assert.match(
      String(await rejection(act())),
      /options of run\(\) to be its first argument and the body its second, received \{ timeout: 5 \}/,
    )
  }
})

test('a body that is none is named as it was given', async (t) => {
  const { app } = setUp(t)
  for (const given of [1, { timeout: 5 }]) {
    const error = await rejection(app.run(given as never))
    assert.match(String(error), /body given to run\(\) to be a function, received (1|\{ timeout)/)
  }
})
