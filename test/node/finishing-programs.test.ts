/**
 * Random streams in random states, finished: what was written has arrived, or disposing rejects with what went wrong, or
 * somebody else was told of it. It always settles, once for all who ask. A failure prints the seed and the smallest program.
 */
import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { createApp } from 'unwind'
import { finishing } from 'unwind/node'
import { within } from '../core/support/promises.ts'

const programs = Number(process.env['FINISHING_PROGRAMS'] ?? 400)

const act = fc.constantFrom(
  ...(['write', 'write', 'write', 'cork', 'uncork', 'turn', 'turn', 'pipe'] as const),
  ...(['end', 'destroy', 'destroy with an error', 'emit an error', 'listen'] as const),
)
const program = fc.record({
  options: fc.record({
    autoDestroy: fc.boolean(),
    emitClose: fc.boolean(),
    highWaterMark: fc.constantFrom(1, 16_384),
  }),
  gathers: fc.boolean(),
  /** Turns that each write takes. */
  slowness: fc.nat(2),
  fails: fc.constantFrom(undefined, undefined, 'first write', 'third write', 'final', 'destroy'),
  /** Before anybody listens. */
  before: fc.array(fc.constantFrom('write' as const, 'cork', 'pipe', 'end'), {
    maxLength: 4,
  }),
  after: fc.array(act, { maxLength: 8 }),
  manner: fc.constantFrom('alone', 'twice', 'in a scope'),
})
type Program = typeof program extends fc.Arbitrary<infer T> ? T : never

/** A stream of which everything that happens is known. */
class Subject {
  readonly arrived: string[] = []
  readonly written: string[] = []
  readonly failures: Error[] = []
  readonly heard: unknown[] = []
  readonly stream: Writable
  ended = false
  destroyed = false
  /** Destroyed without an error: what fails then is no news. */
  givenUp = false
  #writes = 0

  constructor({ options, gathers, slowness, fails }: Program) {
    const end = async (stage: string, done: (error?: Error) => void): Promise<void> => {
      for (let turns = 0; turns < slowness; turns += 1) await turn()
      if (stage === fails) done(this.#failure(stage))
      else done()
    }
    const write = (chunks: readonly string[], done: (error?: Error) => void): void => {
      this.#writes += 1
      const stage = ['first write', 'second write', 'third write'][this.#writes - 1] ?? 'later'
      if (stage !== fails) this.arrived.push(...chunks)
      void end(stage, done)
    }
    this.stream = new Writable({
      ...options,
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => write([chunk], done),
      ...(gathers && {
        writev: (chunks, done) =>
          write(
            chunks.map(({ chunk }) => String(chunk)),
            done,
          ),
      }),
      final: (done) => void end('final', done),
      destroy: (error, done) => void end('destroy', (failure) => done(error ?? failure)),
    })
  }

  async perform(name: Program['after'][number]): Promise<void> {
    const { stream } = this
    switch (name) {
      case 'write':
        if (this.ended || this.destroyed) return
        this.written.push(`chunk ${this.written.length}`)
        stream.write(this.written.at(-1))
        return
      case 'cork':
        // After the end it would keep the last bytes for ever.
        if (!this.ended) stream.cork()
        return
      case 'uncork':
        return stream.uncork()
      case 'turn':
        return turn()
      case 'pipe':
        new Readable({ read() {} }).pipe(stream, { end: false })
        return
      case 'end':
        this.ended = true
        stream.end()
        return
      case 'destroy':
        this.givenUp ||= !this.destroyed
        this.destroyed = true
        stream.destroy()
        return
      case 'destroy with an error':
        if (!stream.destroyed) stream.destroy(this.#failure('by hand'))
        this.destroyed = true
        return
      case 'emit an error':
        if (stream.listenerCount('error') > 0) stream.emit('error', this.#failure('emitted'))
        return
      case 'listen':
        stream.on('error', (error) => this.heard.push(error))
    }
  }

  #failure(what: string): Error {
    const failure = new Error(what)
    this.failures.push(failure)
    return failure
  }
}

async function dispose(held: AsyncDisposable, manner: Program['manner']): Promise<unknown> {
  const app = createApp()
  if (manner === 'in a scope') app.use(held)
  const disposing = manner === 'in a scope' ? app.close() : held[Symbol.asyncDispose]()
  const [first, second] = await within(
    Promise.allSettled([disposing, manner === 'twice' && held[Symbol.asyncDispose]()]),
  )
  assert.equal(second.status, 'fulfilled')
  return first.status === 'rejected' ? first.reason : undefined
}

/** @param warned how many process warnings there were */
async function run(given: Program, warned: () => number): Promise<void> {
  const subject = new Subject(given)
  const { stream, failures, heard } = subject
  for (const name of given.before) await subject.perform(name)
  const held = finishing(stream, { grace: 60_000 })
  // Nobody can tell whether a failure of the same turn has been heard before.
  if (given.before.length > 0) await turn()
  for (const name of given.after) await subject.perform(name)
  const error = await dispose(held, given.manner)
  for (let turns = 0; turns < 5; turns += 1) await turn()
  assert.ok(stream.destroyed)
  if (error !== undefined) return assert.ok(failures.includes(error as Error), inspect(error))
  const told = heard.length + warned()
  const isWhole = subject.arrived.length === subject.written.length
  assert.ok(isWhole || subject.destroyed || told > 0, 'something was lost')
  assert.ok(failures.length === 0 || told > 0 || subject.givenUp, 'a failure was lost')
  // Only what fails when everything has arrived has nobody else who could be told.
  assert.ok(warned() === 0 || given.fails === 'destroy')
}

test(`whatever a stream does, nothing is lost without a word (${programs} programs)`, async (t) => {
  const warnings: unknown[] = []
  const note = (warning: unknown): void => void warnings.push(warning)
  process.on('warning', note)
  t.after(() => process.off('warning', note))
  const property = fc.asyncProperty(program, async (given) => {
    warnings.length = 0
    await run(given, () => warnings.length)
  })
  await fc.assert(property, { numRuns: programs })
})
