/** Errors that read well: `formatError`, the console, an uncaught crash, JSON. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { formatError, resource, ShutdownError } from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection } from '../support/promises.ts'

/** Its lines without what depends on where the code stands. */
function told(text: string): string[] {
  return text.split('\n').filter((line) => !/^\s+at /.test(line))
}

function raise(anything: unknown): never {
  // oxlint-disable-next-line typescript/only-throw-error -- anything can be thrown
  throw anything
}

/** What `run` rejects with when the body and two of its releases fail. */
async function wreck(t: TestContext): Promise<unknown> {
  const { app } = setUp(t)
  const orders = resource({
    name: 'orders',
    acquire: () => 1,
    release: () => {
      throw new Error('ROLLBACK failed', { cause: new Error('socket gone') })
    },
  })
  const file = resource(async function* file() {
    try {
      yield 1
    } finally {
      raise(Object.assign(new Error('not flushed'), { code: 'ENOSPC' }))
    }
  })
  return await rejection(
    app.run(async (scope) => {
      await scope.get(orders)
      await scope.get(file)
      throw new TypeError('the body failed')
    }),
  )
}

const wreckage = [
  'TypeError: the body failed',
  '  then, while releasing "file": Error: not flushed',
  '  then, while releasing "orders": Error: ROLLBACK failed',
  '    caused by: Error: socket gone',
]

test('formatError tells the primary error first, then what failed while releasing, by resource, with causes', async (t) => {
  const lines = told(formatError(await wreck(t)))
  assert.deepEqual(lines, wreckage)
})

test('formatError keeps the stack and the fields of every error', async (t) => {
  const text = formatError(await wreck(t))
  assert.match(text, /the body failed\n {4}at /)
  assert.match(text, /not flushed\n {6}at [^]*\{ code: 'ENOSPC' \}\n/)
  assert.match(text, /socket gone\n {8}at /)
})

test('the console shows a chain as formatError does, alone and inside an object', async (t) => {
  const error = await wreck(t)
  assert.deepEqual(told(inspect(error)), wreckage)
  assert.deepEqual(told(inspect({ error })), [
    '{',
    ...wreckage.map((line, index) => (index === 0 ? `  error: ${line}` : `  ${line}`)),
    '}',
  ])
})

test('the stack of a chain is its text, for loggers that print a stack, and can be replaced', async (t) => {
  const error = await wreck(t)
  assert.ok(error instanceof Error)
  assert.equal(error.stack, formatError(error))
  error.stack = 'another'
  assert.equal(error.stack, 'another')
})

test('an uncaught chain tells both halves when the process crashes', () => {
  const code = `
    import { run } from 'unwind'
    await run((scope) => {
      scope.adopt(1, function socket() { throw new Error('not closed') })
      throw new Error('the body failed')
    })`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: dirname(fileURLToPath(import.meta.resolve('unwind/package.json'))),
    encoding: 'utf8',
  })
  assert.equal(status, 1)
  const text = told(stderr).join('\n')
  assert.match(
    text,
    /^Error: the body failed\n {2}then, while releasing "socket": Error: not closed$/m,
  )
})

test('a chain as JSON has its primary error, then what failed, with resources, codes and causes', async (t) => {
  const error = await wreck(t)
  assert.deepEqual(JSON.parse(JSON.stringify({ error })), {
    error: {
      name: 'SuppressedError',
      message: 'An error was suppressed during disposal',
      primary: { name: 'TypeError', message: 'the body failed' },
      whileReleasing: [
        { release: 'file', name: 'Error', message: 'not flushed', code: 'ENOSPC' },
        {
          release: 'orders',
          name: 'Error',
          message: 'ROLLBACK failed',
          cause: { name: 'Error', message: 'socket gone' },
        },
      ],
    },
  })
})

test('what was thrown and is no error is told as it is, in the text and as JSON', async (t) => {
  const { app } = setUp(t)
  const error = await rejection(
    app.run((scope) => {
      scope.adopt(1, function lease() {
        raise(undefined)
      })
      raise('text')
    }),
  )
  assert.equal(formatError(error), `'text' was thrown\n  then, undefined was thrown`)
  const { primary, whileReleasing } = JSON.parse(JSON.stringify(error)) as Record<string, unknown>
  assert.deepEqual([primary, whileReleasing], ['text', ['undefined']])
})

test('several failed tasks are told one by one, in the text and as JSON', async (t) => {
  const { app } = setUp(t)
  const error = await rejection(
    app.run((scope) => {
      void scope.fork(() => Promise.reject(new Error('T1')))
      void scope.fork(() => Promise.reject(new Error('T2')))
    }),
  )
  assert.deepEqual(told(formatError(error)), [
    'AggregateError: 2 parts of the scope failed.',
    '  1 of 2: Error: T1',
    '  2 of 2: Error: T2',
  ])
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    name: 'AggregateError',
    message: '2 parts of the scope failed.',
    errors: [
      { name: 'Error', message: 'T1' },
      { name: 'Error', message: 'T2' },
    ],
  })
})

test('the cause of one of our errors is in its JSON, a chain as its parts', async (t) => {
  const error = new ShutdownError('text', { cause: await wreck(t) })
  const { cause } = JSON.parse(JSON.stringify(error)) as { cause: Record<string, unknown> }
  assert.deepEqual(cause['primary'], { name: 'TypeError', message: 'the body failed' })
})

const knots: [string, () => unknown, RegExp][] = [
  ['undefined', () => undefined, /^undefined was thrown$/],
  ['a symbol', () => Symbol('s'), /^Symbol\(s\) was thrown$/],
  ['null', () => null, /^null was thrown$/],
  ['an object', () => ({ a: 1 }), /^\{ a: 1 \} was thrown$/],
  [
    'an error that is its own cause',
    () => {
      const error = new Error('A')
      error.cause = error
      return error
    },
    /^Error: A\n[^]*caused by: Error: A \(see above\)$/,
  ],
  [
    'an error without a stack',
    () => Object.assign(new Error('A'), { stack: undefined }),
    /^Error: A/,
  ],
  [
    'an error whose message changed to a word of its frames',
    () => {
      const error = new Error('A')
      // It is made when somebody reads it first.
      assert.match(error.stack ?? '', /^Error: A\n[^]*format/)
      return Object.assign(error, { message: 'format' })
    },
    /^Error: format\nError: A\n/,
  ],
  [
    'an error without a name',
    () => Object.assign(new Error('A'), { name: '', stack: '' }),
    /^Error: A/,
  ],
  [
    'an error without a message',
    () => Object.assign(new RangeError(), { stack: '' }),
    /^RangeError/,
  ],
  ['an error by its stack alone', () => ({ message: 'A', stack: 'A\n    at b' }), /^A\n {4}at b/],
  [
    'an error that does not tell its fields',
    () => new Proxy(Object.assign(new Error('A'), { code: 1 }), { ownKeys: () => raise(1) }),
    /^Error: A(?![^]*code)/,
  ],
  [
    'what cannot be shown',
    () =>
      Object.create({
        constructor: Object.defineProperty(() => {}, 'name', { get: () => raise(1) }),
      }),
    /^a value that cannot be shown was thrown$/,
  ],
  [
    'an error whose getters throw',
    () =>
      Object.defineProperty(new Error('A'), 'cause', {
        enumerable: true,
        get() {
          throw new Error('no')
        },
      }),
    /^Error: A/,
  ],
  [
    'a proxy that refuses everything',
    () =>
      new Proxy(new Error('A'), {
        get() {
          throw new Error('no')
        },
        has() {
          throw new Error('no')
        },
        ownKeys() {
          throw new Error('no')
        },
      }),
    /was thrown$/,
  ],
  [
    'a chain that leads back to itself',
    () => {
      const error = Object.assign(new Error('A'), {
        name: 'SuppressedError',
        error: new Error('D'),
      })
      return Object.assign(error, { suppressed: error })
    },
    /then, Error: D/,
  ],
  [
    'a chain made by a helper of another library',
    () =>
      Object.assign(new Error('x'), {
        name: 'SuppressedError',
        error: new Error('D'),
        suppressed: new Error('B'),
      }),
    /^Error: B\n[^]*then, Error: D/,
  ],
]

for (const [what, make, text] of knots) {
  test(`formatError takes ${what}`, () => {
    assert.match(formatError(make()), text)
  })
}

test('formatError takes a thousand causes, and stops telling at some depth', () => {
  let error = new Error('0')
  for (let depth = 1; depth < 1_000; depth++) error = new Error(String(depth), { cause: error })
  const text = formatError(error)
  assert.match(text, /^Error: 999\n/)
  assert.match(text, /caused by: …$/)
})

test('a chain of a thousand failing releases is told whole', async (t) => {
  const { app } = setUp(t)
  const error = await rejection(
    app.run((scope) => {
      for (let index = 0; index < 1_000; index++) {
        scope.defer(() => {
          throw new Error(`D${index}`)
        })
      }
    }),
  )
  const lines = told(formatError(error))
  assert.equal(lines.length, 1_000)
  assert.equal(lines[0], 'while releasing "a deferred callback": Error: D999')
  assert.match(lines[999] ?? '', /^ {2}then, while releasing "a deferred callback": Error: D0$/)
})
