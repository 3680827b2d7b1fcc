/** The same random programs, once with nested `await using` and once with resources: order and errors are equal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, resource, type App, type Resource, type Scope } from 'unwind'
import { chain } from '../support/chain.ts'
import {
  disposable,
  guard,
  randomProgram,
  runNested,
  type Faulty,
  type Log,
  type Step,
} from '../support/programs.ts'

type Make = (faulty: Faulty, log: Log) => Resource<unknown>

const lifetime = 'scope'

/** What a block acquires, in every form that a resource can have. */
const forms: Record<string, Make> = {
  'a value that disposes itself': (faulty, log) =>
    resource({ lifetime, acquire: () => disposable(faulty, log) }),
  'acquire and release': (faulty, log) =>
    resource({ lifetime, acquire: async () => disposable(faulty, log), release: dispose }),
  'a generator with await using inside': (faulty, log) =>
    resource(
      async function* () {
        await using value = disposable(faulty, log)
        yield value
      },
      { lifetime },
    ),
}

function dispose(value: AsyncDisposable | Disposable): unknown {
  return Symbol.dispose in value ? value[Symbol.dispose]() : value[Symbol.asyncDispose]()
}

async function runScoped(
  scope: Scope,
  steps: readonly Step[],
  make: Make,
  log: Log,
  caught: (error: unknown) => void,
): Promise<void> {
  for (const step of steps) {
    if (step.act === 'fail') throw step.error
    if (step.act === 'use') await scope.get(make(step.resource, log))
    else {
      await guard(step.caught, caught, () =>
        scope.run((inner) => runScoped(inner, step.steps, make, log, caught)),
      )
    }
  }
}

/** Everything that a run shows: what happened, what was caught, how it ended. */
async function story(
  act: (log: Log, caught: (error: unknown) => void) => Promise<void>,
): Promise<string[]> {
  const lines: string[] = []
  const log: Log = (line) => lines.push(line)
  const caught = (error: unknown): void => log(`caught ${chain(error)}`)
  await act(log, caught).then(
    () => log('fulfilled'),
    (error: unknown) => log(`rejected ${chain(error)}`),
  )
  return lines
}

async function compare(app: App, seed: number, make: Make): Promise<void> {
  const program = randomProgram(seed)
  const expected = await story((log, caught) => runNested(program, log, caught))
  const actual = await story((log, caught) =>
    app.run((scope) => runScoped(scope, program, make, log, caught)),
  )
  assert.deepEqual(actual, expected, `program ${seed}`)
}

for (const [name, make] of Object.entries(forms)) {
  test(`random programs unwind with ${name} as they do with nested await using`, async () => {
    await using app = createApp()
    for (let seed = 1; seed <= 300; seed++) await compare(app, seed, make)
  })
}

test('the random programs cover success, failure, and chains of several errors', async () => {
  const ends = new Set<string>()
  for (let seed = 1; seed <= 300; seed++) {
    const lines = await story((log, caught) => runNested(randomProgram(seed), log, caught))
    const end = lines.at(-1) ?? ''
    ends.add(/S\(.*S\(/.test(end) ? 'chain' : (end.split(' ')[0] ?? ''))
  }
  assert.deepEqual([...ends].toSorted(), ['chain', 'fulfilled', 'rejected'])
})
