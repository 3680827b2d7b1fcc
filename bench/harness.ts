/**
 * How things are timed: on a busy machine only a ratio taken within one round means anything. Every case has a loop of
 * its own, all are visited in random order in each round, the baseline twice. Nanoseconds are CPU time of the process,
 * and every batch starts in an empty async context, or others' AsyncLocalStorages would be part of the price.
 */
// oxlint-disable no-await-in-loop -- one after the other is what is timed
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { getHeapStatistics } from 'node:v8'
import { collect } from '../test/support/collect.ts'

/** One way of doing what the suite asks about. */
export interface Case {
  readonly name: string
  /** One operation. Awaited where it gives a promise, unless `sync` says that the call alone counts. */
  readonly operation: () => unknown
  readonly sync?: boolean
  /** Throws where the operation did not do what it is timed for. Called with its result, before and after timing. */
  readonly check: (result: unknown) => void
  /** Where the batches run; by default in the suite's context, with no scope around. */
  readonly within?: <R>(batch: () => R) => R
}

/** One question. Each file of `micro` exports a function `open` that gives one. */
export interface Suite extends Partial<AsyncDisposable> {
  readonly question: string
  readonly baseline: Case
  readonly cases: readonly Case[]
  /** Default: the empty one. */
  readonly context?: AsyncResource
}

export interface Effort {
  readonly rounds: number
  /** Milliseconds of CPU time that a batch should take. */
  readonly batch: number
  /**
   * Before anything is timed, each case takes this many milliseconds of CPU time and this many operations, though no more
   * than ten times that time: the compiler counts calls, and what waits for a server makes few in a time that is many for
   * what does not.
   */
  readonly warmUp: { readonly ms: number; readonly operations: number }
}

export const full: Effort = { rounds: 25, batch: 8, warmUp: { ms: 150, operations: 25_000 } }
export const quick: Effort = { rounds: 5, batch: 5, warmUp: { ms: 40, operations: 0 } }

/** What one process found out about one case. */
export interface Measured {
  readonly name: string
  /** Median over the rounds of the ratio to the baseline of the same round. */
  readonly ratio: number
  readonly nanoseconds: number
  /** Allocated by one operation; only Node.js 26 and later can tell. */
  readonly bytes: number | undefined
  /** Turns of the microtask queue until the promise of one operation is settled and seen. */
  readonly turns: number | undefined
}

interface Runner {
  readonly subject: Case
  readonly loop: Loop
  operations: number
  readonly samples: Sample[]
  readonly ratios: number[]
}

interface Sample {
  readonly nanoseconds: number
  readonly bytes: number | undefined
}

type Loop = (operations: number) => unknown

/** Made before anything ran in an AsyncLocalStorage, which leaves a trace in its caller's context for ever. */
const emptyContext = new AsyncResource('Bench', { requireManualDestroy: true })

/** The baseline comes first in the result; its ratio is that of its two samples: the noise. */
export async function measure(suite: Suite, effort: Effort): Promise<Measured[]> {
  checkEmptiness()
  const context = suite.context ?? emptyContext
  const all = [suite.baseline, ...suite.cases]
  for (const subject of all) await checkOnce(subject, context)
  const runners = all.map((subject) => runner(subject))
  for (const each of runners) await warmUp(each, context, effort)
  for (const each of runners) await calibrate(each, context, effort)
  for (let round = 0; round < effort.rounds; round += 1) await visitAll(runners, context)
  for (const subject of all) await checkOnce(subject, context)
  const measured: Measured[] = []
  for (const each of runners) measured.push(await summary(each, context))
  return measured
}

/** A store that is set around the call must not be seen inside. */
function checkEmptiness(): void {
  const marker = new AsyncLocalStorage<string>()
  const seen = marker.run('full', () => emptyContext.runInAsyncScope(() => marker.getStore()))
  if (seen !== undefined) throw new Error('The context of the batches is not empty.')
}

async function checkOnce(subject: Case, context: AsyncResource): Promise<void> {
  const result: unknown = context.runInAsyncScope(call, undefined, subject, subject.operation)
  try {
    subject.check(subject.sync === true ? result : await result)
  } catch (cause) {
    throw new Error(`"${subject.name}" does not do what it is timed for.`, { cause })
  }
}

function call(subject: Case, body: () => unknown): unknown {
  return subject.within === undefined ? body() : subject.within(body)
}

function runner(subject: Case): Runner {
  return { subject, loop: ownLoop(subject), operations: 1, samples: [], ratios: [] }
}

/** Compiled for this case alone, because a shared loop would learn from all of them and be fast for none. */
function ownLoop({ name, operation, sync }: Case): Loop {
  const kind = sync === true ? 'function' : 'async function'
  const step = sync === true ? 'last = operation()' : 'last = await operation()'
  const source = `return ${kind} loop(count) { // ${name.replaceAll(/\s+/g, ' ')}
    let last
    for (let i = 0; i < count; i += 1) ${step}
    return last
  }`
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see above
  return (new Function('operation', source) as (operation: () => unknown) => Loop)(operation)
}

async function warmUp(each: Runner, context: AsyncResource, effort: Effort): Promise<void> {
  const { ms, operations } = effort.warmUp
  let [spent, done] = [0, 0]
  while (spent < ms || (done < operations && spent < 10 * ms)) {
    const { nanoseconds } = await sample(each, context)
    spent += (nanoseconds * each.operations) / 1e6
    done += each.operations
    if (nanoseconds * each.operations < 1e6) each.operations *= 2
  }
}

async function calibrate(each: Runner, context: AsyncResource, { batch }: Effort): Promise<void> {
  const { nanoseconds } = await sample(each, context)
  each.operations = Math.max(1, Math.ceil((batch * 1e6) / Math.max(nanoseconds, 0.1)))
}

async function sample(
  { loop, subject, operations }: Runner,
  context: AsyncResource,
): Promise<Sample> {
  // What the batch before has left would be collected at this one's expense.
  collect({ type: 'minor' })
  const allocated = allocatedBytes()
  const before = process.cpuUsage()
  await context.runInAsyncScope(call, undefined, subject, () => loop(operations))
  const { user, system } = process.cpuUsage(before)
  return {
    nanoseconds: ((user + system) * 1000) / operations,
    bytes: allocated && (allocatedBytes() - allocated) / operations,
  }
}

function allocatedBytes(): number {
  const { total_allocated_bytes: bytes = 0 } = getHeapStatistics() as {
    total_allocated_bytes?: number
  }
  return bytes
}

async function visitAll(runners: readonly Runner[], context: AsyncResource): Promise<void> {
  const [baseline] = runners
  if (baseline === undefined) return
  const drawn = new Map<Runner, Sample[]>()
  for (const each of shuffled([...runners, baseline])) {
    const one = await sample(each, context)
    each.samples.push(one)
    drawn.set(each, [...(drawn.get(each) ?? []), one])
  }
  const [first = 1, second = 1] = drawn.get(baseline)?.map(({ nanoseconds }) => nanoseconds) ?? []
  for (const [each, [one]] of drawn) {
    if (each === baseline) each.ratios.push(first / second)
    else if (one !== undefined) each.ratios.push((one.nanoseconds * 2) / (first + second))
  }
}

function shuffled<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}

async function summary(
  { subject, samples, ratios }: Runner,
  context: AsyncResource,
): Promise<Measured> {
  return {
    name: subject.name,
    ratio: median(ratios),
    nanoseconds: median(samples.map(({ nanoseconds }) => nanoseconds)),
    bytes: allocatedBytes() === 0 ? undefined : median(samples.map(({ bytes }) => bytes ?? 0)),
    turns: subject.sync === true ? undefined : await countTurns(subject, context),
  }
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2
}

/** An async function that returns at once takes one. `undefined`: it waits for more than microtasks. */
function countTurns(subject: Case, context: AsyncResource): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let turns = 0
    let settled = false
    const turn = (): void => {
      turns += 1
      if (settled) resolve(turns)
      else if (turns < 1000) queueMicrotask(turn)
      else resolve(undefined)
    }
    const result: unknown = context.runInAsyncScope(call, undefined, subject, subject.operation)
    Promise.resolve(result).then(() => (settled = true), reject)
    queueMicrotask(turn)
  })
}
