/**
 * How the price of a request is taken: one server under constant load, whose way of serving changes every few
 * milliseconds in random order. The price is the CPU time of this process per request, and its rate; a ratio is taken
 * within one block, in which every variant had its slice and the baseline two.
 */
// oxlint-disable no-await-in-loop -- one after the other is what is timed
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { median } from '../harness.ts'
import { connectInMemory } from './memory.ts'

export interface Variant {
  readonly name: string
  readonly serve: (request: IncomingMessage, response: ServerResponse) => unknown
  /** How many resources were released so far; each request acquires and releases one, or none. */
  readonly released?: () => number
}

export interface Suite extends AsyncDisposable {
  readonly question: string
  /** The first is the baseline. */
  readonly variants: readonly Variant[]
}

export interface Effort {
  readonly blocks: number
  /** Milliseconds. */
  readonly slice: number
}

export const full: Effort = { blocks: 60, slice: 80 }
export const quick: Effort = { blocks: 4, slice: 40 }

export interface Price {
  readonly name: string
  /** Median of the ratios to the baseline; of the baseline itself, that of its two slices. */
  readonly ratio: number
  /** Half of the ratios lie between these. */
  readonly quartiles: readonly [number, number]
  /** Microseconds of CPU time. */
  readonly microseconds: number
  /** The same of the requests per second, which waiting counts in. */
  readonly rate: Pick<Price, 'ratio' | 'quartiles'> & { readonly perSecond: number }
}

/** One slice. */
interface Sample {
  readonly microseconds: number
  readonly perSecond: number
}

interface Measured {
  readonly variant: Variant
  readonly samples: Sample[]
  /** To the baseline of the same block. */
  readonly ratios: Sample[]
}

/**
 * @param variants of which the first is the baseline
 * @param inMemory without a kernel: see memory.ts
 */
export async function measure(
  variants: readonly Variant[],
  { blocks, slice }: Effort,
  inMemory: boolean,
): Promise<Price[]> {
  const [baseline, ...others] = variants
  if (baseline === undefined) throw new Error('A suite has a baseline.')
  let current = baseline
  let served = 0
  const server = createServer((request, response) => {
    served += 1
    current.serve(request, response)
  })
  server.keepAliveTimeout = 0
  await using _load = inMemory ? loadInMemory(server) : await load(server)
  const sample = async (variant: Variant, ms: number): Promise<Sample> => {
    current = variant
    // What the last one has begun ends on its account.
    await sleep(2)
    const [before, from, start] = [process.cpuUsage(), served, performance.now()]
    const releasedBefore = variant.released?.()
    const isIdle = (): boolean => served === from
    await sleep(ms)
    // On a machine that is busy with others there may have been no request yet.
    for (let slices = 1; isIdle(); slices += 1) {
      if (slices === 100) throw new Error(`"${variant.name}" is not asked any more.`)
      await sleep(ms)
    }
    const { user, system } = process.cpuUsage(before)
    const count = served - from
    checkReleases(variant, releasedBefore, count)
    return {
      microseconds: (user + system) / count,
      perSecond: (count / (performance.now() - start)) * 1_000,
    }
  }
  const measured: Measured[] = variants.map((variant) => ({ variant, samples: [], ratios: [] }))
  for (const variant of variants) await sample(variant, slice * 8)
  for (let block = 0; block < blocks; block += 1) {
    const drawn = new Map<Variant, Sample[]>()
    for (const variant of shuffled([baseline, baseline, ...others])) {
      const drawing = await sample(variant, slice)
      drawn.set(variant, [...(drawn.get(variant) ?? []), drawing])
    }
    enter(measured, drawn)
  }
  return measured.map((one) => priceOf(one))
}

/** From a process of its own, so that the time of the client is not that of the server. */
async function load(server: Server): Promise<AsyncDisposable> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = fork(new URL('load.ts', import.meta.url), [String(port), '16'], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  return {
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await once(client, 'exit')
      server.close()
      server.closeAllConnections()
    },
  }
}

function loadInMemory(server: Server): AsyncDisposable {
  const connections = connectInMemory(server, 16)
  return {
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy()
    },
  }
}

/** All but the few that are in progress at either end. */
function checkReleases(
  { name, released }: Variant,
  before: number | undefined,
  count: number,
): void {
  if (released === undefined || before === undefined) return
  const missing = Math.abs(released() - before - count)
  if (missing > 64)
    throw new Error(`"${name}" served ${count} requests, ${missing} of them without a release.`)
}

function enter(measured: readonly Measured[], drawn: ReadonlyMap<Variant, Sample[]>): void {
  const [baseline] = measured
  const [first, second] = (baseline && drawn.get(baseline.variant)) ?? []
  if (first === undefined || second === undefined) return
  for (const one of measured) {
    const [own = first] = drawn.get(one.variant) ?? []
    const ratio = (of: keyof Sample): number =>
      one === baseline ? first[of] / second[of] : (own[of] * 2) / (first[of] + second[of])
    one.samples.push(own)
    one.ratios.push({ microseconds: ratio('microseconds'), perSecond: ratio('perSecond') })
  }
}

function priceOf({ variant, samples, ratios }: Measured): Price {
  const middle = (of: keyof Sample): number => median(samples.map((sample) => sample[of]))
  return {
    name: variant.name,
    ...spreadOf(ratios.map(({ microseconds }) => microseconds)),
    microseconds: middle('microseconds'),
    rate: { ...spreadOf(ratios.map(({ perSecond }) => perSecond)), perSecond: middle('perSecond') },
  }
}

function spreadOf(ratios: readonly number[]): Pick<Price, 'ratio' | 'quartiles'> {
  const sorted = ratios.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? NaN
  return { ratio: median(sorted), quartiles: [at(0.25), at(0.75)] }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}
