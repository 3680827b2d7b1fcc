/** The load: many customers side by side, their kinds well mixed, and what became of each. */
import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'

import type { Memory } from './audit.ts'
import { overHttp, overSockets, type Connection, type Customer } from './customers.ts'
import type { Meter, Status } from './meter.ts'
import { products } from './schema.ts'
import type { Line, Order } from './shop.ts'

/** Customers that are served at the same time. */
const lanes = { requests: 8, sockets: 4 }

/** No order asks for more than this of one product. */
export const mostOfOne = 3

/** Milliseconds after which an order that the shop did not end counts as lost. */
const patience = 15_000

/** All customers of one kind, and what became of them. */
export interface Crowd {
  readonly customer: Customer
  /** Milliseconds for each, from its first byte until all was over on both sides. */
  readonly times: number[]
  /** What did not go as planned. */
  readonly surprises: string[]
}

export interface Traffic {
  readonly requests: readonly Crowd[]
  readonly sockets: readonly Crowd[]
  readonly memory: Memory
  readonly ms: number
}

export interface TrafficOptions {
  readonly url: string
  readonly meter: Meter
  readonly requests: number
  readonly sockets: number
  /** When it aborts, nobody new comes; who is being served is waited for. */
  readonly signal: AbortSignal
  onDone(): void
}

interface Street extends TrafficOptions {
  readonly shop: Connection
  readonly memory: { run: string; answered: Set<string>; failed: Set<string> }
}

export async function sendTraffic(options: TrafficOptions): Promise<Traffic> {
  const agent = new Agent({ keepAlive: true })
  const run = randomBytes(4).toString('hex')
  const memory = { run, answered: new Set<string>(), failed: new Set<string>() }
  const street = { ...options, memory, shop: { url: options.url, agent } }
  const start = performance.now()
  const [requests, sockets] = await Promise.all([
    sendAll(street, overHttp, { count: options.requests, lanes: lanes.requests, mark: 'r' }),
    sendAll(street, overSockets, { count: options.sockets, lanes: lanes.sockets, mark: 's' }),
  ])
  agent.destroy()
  return { requests, sockets, memory, ms: performance.now() - start }
}

async function sendAll(
  street: Street,
  customers: readonly Customer[],
  plan: { count: number; lanes: number; mark: string },
): Promise<Crowd[]> {
  const crowds: Crowd[] = customers.map((customer) => ({ customer, times: [], surprises: [] }))
  const queue = shuffled(inShares(crowds, plan.count)).entries()
  const lane = async (): Promise<void> => {
    for (const [i, crowd] of queue) {
      if (street.signal.aborted) return
      await sendOne(street, crowd, `${plan.mark}${i}`, i)
      street.onDone()
    }
  }
  // All lanes take from the same queue.
  await Promise.all(Array.from({ length: plan.lanes }, lane))
  return crowds
}

/** Each kind as often as its share says, and all kinds also among a few. */
function inShares(crowds: readonly Crowd[], count: number): Crowd[] {
  const due = crowds.flatMap((crowd) => {
    const { share } = crowd.customer
    const times = Math.ceil((count * share) / 20)
    return Array.from({ length: times }, (_, i) => ({ crowd, at: i / share }))
  })
  const first = due.toSorted((a, b) => a.at - b.at).slice(0, count)
  return first.map(({ crowd }) => crowd)
}

/** The same mixture in every run: sorted by the numbers of a small generator, not by chance. */
function shuffled<T>(items: readonly T[]): T[] {
  let number = 1
  const numbered = items.map((item) => {
    number = (number * 48_271) % 2_147_483_647
    return { item, number }
  })
  return numbered.toSorted((a, b) => a.number - b.number).map(({ item }) => item)
}

async function sendOne(
  { shop, meter, memory }: Street,
  { customer, times, surprises }: Crowd,
  name: string,
  i: number,
): Promise<void> {
  const order = makeOrder(`${memory.run}-${name}`, customer, i)
  const ended = meter.expect(order.id)
  const start = performance.now()
  try {
    await customer.order(shop, order)
    if (customer.ends === 'success') memory.answered.add(order.id)
    else memory.failed.add(order.id)
    const status = await soon(ended)
    if (status !== customer.ends) throw new Error(`The shop ended it as "${status}".`)
    times.push(performance.now() - start)
  } catch (error) {
    surprises.push(error instanceof Error ? error.message : String(error))
  }
}

/** Three products at most, each once. */
function makeOrder(id: string, { card }: Customer, i: number): Order {
  const lines: Line[] = []
  for (let n = 0; n <= i % 3; n += 1) {
    lines.push({ product: ((i + n * 5) % products) + 1, quantity: ((i + n) % mostOfOne) + 1 })
  }
  return { id, card, lines }
}

async function soon(ended: Promise<Status>): Promise<Status> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('The shop did not end it.')), patience)
  try {
    return await Promise.race([ended, promise])
  } finally {
    clearTimeout(timer)
  }
}
