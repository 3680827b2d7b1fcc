/**
 * Random programs of nested blocks, run three times: as nested `await using` in the language, through scopes, and
 * through one AsyncDisposableStack for each block. What happens, in which order, and the whole error chain must be equal.
 * A failure prints the seed and the smallest program.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createApp, type Scope } from 'unwind'
import { AsyncDisposableStack } from 'unwind/stack'

type Manner = 'sync disposer' | 'async disposer' | 'adopt' | 'defer'
type Ending = 'ok' | 'throw' | 'reject' | 'slow' | 'slow reject'

interface Hold {
  readonly type: 'hold'
  readonly manner: Manner
  readonly refuses: boolean
  readonly acquireTicks: number
  readonly ending: Ending
}
interface Block {
  readonly type: 'block'
  readonly steps: readonly Step[]
  readonly end: { readonly throws: boolean; readonly value: unknown }
}
type Step = Hold | Block

const programs = Number(process.env['ORACLE_PROGRAMS'] ?? 2_000)

const hold: fc.Arbitrary<Hold> = fc.record({
  type: fc.constant('hold' as const),
  manner: fc.constantFrom<Manner>('sync disposer', 'async disposer', 'adopt', 'defer'),
  refuses: fc.boolean().chain((first) => (first ? fc.boolean() : fc.constant(false))),
  acquireTicks: fc.nat(3),
  ending: fc.constantFrom<Ending>('ok', 'ok', 'throw', 'reject', 'slow', 'slow reject'),
})
const thrown = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, 0, '', false, 'text'),
  fc.string().map((text) => new Error(text)),
)
const { block } = fc.letrec<{ block: Block; step: Step }>((tie) => ({
  block: fc.record({
    type: fc.constant('block' as const),
    steps: fc.array(tie('step'), { maxLength: 4 }),
    end: fc.record({ throws: fc.boolean(), value: thrown }),
  }),
  step: fc.oneof({ depthSize: 'small', withCrossShrink: true }, hold, tie('block')),
}))

/** What one run did: its trace, and how it ended. */
interface Run {
  readonly trace: string[]
  readonly end: unknown
}
type Runner = (program: Block, act: Actor) => Promise<unknown>

/** Names the parts of a program by their place in it, and writes down what they do. */
class Actor {
  readonly trace: string[] = []
  readonly #names = new Map<Step, string>()
  readonly #errors: Map<string, Error>

  constructor(program: Block, errors: Map<string, Error>) {
    this.#errors = errors
    this.#name(program, '0')
  }

  async acquire(step: Hold): Promise<string> {
    const name = this.name(step)
    for (let tick = 0; tick < step.acquireTicks; tick += 1) await undefined
    if (step.refuses) throw this.error(`acquire ${name}`)
    this.trace.push(`acquired ${name}`)
    return name
  }

  release(step: Hold): unknown {
    const name = this.name(step)
    this.trace.push(`release ${name}`)
    const ending = step.manner === 'sync disposer' && step.ending !== 'throw' ? 'ok' : step.ending
    if (ending === 'ok') return undefined
    if (ending === 'throw') throw this.error(`release ${name}`)
    if (ending === 'reject') return Promise.reject(this.error(`release ${name}`))
    return this.#slowly(name, ending)
  }

  end(block: Block): string {
    const name = this.name(block)
    this.trace.push(`end ${name}`)
    if (block.end.throws) throw block.end.value
    return name
  }

  name(step: Step): string {
    return this.#names.get(step) ?? assert.fail('a step without a name')
  }

  /** The same error in every run, so that identity can be compared. */
  error(text: string): Error {
    const error = this.#errors.get(text) ?? new Error(text)
    this.#errors.set(text, error)
    return error
  }

  async #slowly(name: string, ending: Ending): Promise<void> {
    for (let tick = 0; tick < 5; tick += 1) await undefined
    this.trace.push(`released ${name}`)
    if (ending === 'slow reject') throw this.error(`release ${name}`)
  }

  #name(step: Step, name: string): void {
    this.#names.set(step, name)
    if (step.type === 'block') step.steps.forEach((inner, at) => this.#name(inner, `${name}.${at}`))
  }
}

function disposable(step: Hold, act: Actor): AsyncDisposable | Disposable {
  if (step.manner === 'sync disposer') return { [Symbol.dispose]: () => void act.release(step) }
  return { [Symbol.asyncDispose]: async () => void (await act.release(step)) }
}

const inTheLanguage: Runner = (program, act) => {
  async function from(block: Block, at: number): Promise<string> {
    const step = block.steps[at]
    if (step === undefined) return act.end(block)
    if (step.type === 'block') {
      await from(step, 0)
      return await from(block, at + 1)
    }
    await act.acquire(step)
    await using _held = disposable(step, act)
    return await from(block, at + 1)
  }
  return from(program, 0)
}

const throughScopes: Runner = async (program, act) => {
  const app = createApp()
  async function run(parent: Scope, block: Block): Promise<string> {
    return await parent.run(async (scope) => {
      for (const step of block.steps) {
        if (step.type === 'block') await run(scope, step)
        else await take(scope, step, act)
      }
      return act.end(block)
    })
  }
  try {
    return await run(app, program)
  } finally {
    await app.close()
  }
}

const throughStacks: Runner = async (program, act) => {
  async function run(block: Block): Promise<string | undefined> {
    const stack = new AsyncDisposableStack()
    const end = await steps(stack, block).catch((error: unknown) => {
      // The body's error goes first through the stack, as it does through nested blocks.
      stack.defer(() => {
        throw error
      })
      return undefined
    })
    await stack.disposeAsync()
    return end
  }
  async function steps(stack: Taker, block: Block): Promise<string> {
    for (const step of block.steps) {
      if (step.type === 'block') await run(step)
      else await take(stack, step, act)
    }
    return act.end(block)
  }
  return await run(program)
}

interface Taker {
  use(value: AsyncDisposable | Disposable): unknown
  adopt(value: unknown, release: () => unknown): unknown
  defer(callback: () => unknown): void
}

async function take(taker: Taker, step: Hold, act: Actor): Promise<void> {
  await act.acquire(step)
  const release = async (): Promise<void> => void (await act.release(step))
  if (step.manner === 'adopt') taker.adopt(step, release)
  else if (step.manner === 'defer') taker.defer(release)
  else taker.use(disposable(step, act))
}

async function observe(runner: Runner, program: Block, errors: Map<string, Error>): Promise<Run> {
  const act = new Actor(program, errors)
  try {
    return { trace: act.trace, end: ['returned', await runner(program, act)] }
  } catch (error) {
    return { trace: act.trace, end: ['threw', chain(error)] }
  }
}

/** The chain as nested arrays; leaves keep their identity. */
function chain(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'SuppressedError') return error
  assert.ok('error' in error && 'suppressed' in error)
  return ['suppressed error', chain(error.error), chain(error.suppressed)]
}

test(`random programs end as they do in the language (${programs} of them)`, async () => {
  const property = fc.asyncProperty(block, async (program) => {
    const errors = new Map<string, Error>()
    const expected = await observe(inTheLanguage, program, errors)
    assert.deepEqual(await observe(throughScopes, program, errors), expected, 'through scopes')
    assert.deepEqual(await observe(throughStacks, program, errors), expected, 'through stacks')
  })
  await fc.assert(property, { numRuns: programs })
})
