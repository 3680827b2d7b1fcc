/** The subscriptions of one pool: opened like its connections, beside them, and ended with it. */
import { Kind, ticketFor } from '../core/watching/held.ts'
import {
  abortSignal,
  checkOptions,
  count,
  expected,
  longestDelay,
  milliseconds,
  type Rule,
} from '../core/options.ts'
import type { DriverPool } from './driver.ts'
import type { OwnClient } from './listening-connection.ts'
import type { Policy } from './policy.ts'
import { transactionPooling } from './errors.ts'
import { Subscription } from './subscription.ts'
import type { PgListenOptions } from './held-types.ts'

/** Not zero: it would ask without a pause. */
const interval: Rule = {
  expected: `a number of milliseconds from 1 to ${longestDelay}`,
  accepts: (value) => milliseconds.accepts(value) && Number(value) >= 1,
}

const rules = { signal: abortSignal, maxQueue: count, heartbeat: interval }

const direct = 'Listen with a pool that connects to the server itself.'

/** Bytes: the server would cut a longer name, and listen to another channel. */
const longestName = 63

export class Subscriptions {
  readonly #pool: DriverPool
  readonly #policy: Policy
  readonly #open = new Set<Subscription>()

  constructor(pool: DriverPool, policy: Policy) {
    this.#pool = pool
    this.#policy = policy
  }

  async listen(
    channel: string,
    options: PgListenOptions | undefined,
    poolName: string,
  ): Promise<Subscription> {
    checkChannel(channel)
    checkOptions('listen()', options, rules)
    if (this.#policy.transactionPooling) throw transactionPooling('LISTEN', direct)
    const { signal, maxQueue = 1_000, heartbeat = 30_000 } = options ?? {}
    signal?.throwIfAborted()
    const open = clientOf(this.#pool)
    const patience = patienceOf(this.#pool, heartbeat, this.#policy.grace)
    const ticket = ticketFor(new Kind('pg.subscription', { pool: poolName, leakAfter: Infinity }))
    const subscription = new Subscription(
      { channel, maxQueue, heartbeat, patience, open },
      (ended) => void this.#open.delete(ended),
      ticket,
    )
    this.#open.add(subscription)
    return await subscription.start(signal)
  }

  async end(): Promise<void> {
    await Promise.all(Array.from(this.#open, (subscription) => subscription.end()))
  }
}

function checkChannel(channel: unknown): void {
  const fits =
    typeof channel === 'string' &&
    channel !== '' &&
    !channel.includes('\0') &&
    Buffer.byteLength(channel) <= longestName
  if (!fits)
    throw expected('the channel of listen()', `a text of 1 to ${longestName} bytes`, channel)
}

/** Milliseconds for each step of a new connection: as the pool has it, or the heartbeat within reason. */
function patienceOf({ options }: DriverPool, heartbeat: number, grace: number): number {
  return options?.connectionTimeoutMillis || Math.max(grace, Math.min(heartbeat, 10_000))
}

/** As the pool makes its own. */
function clientOf({ Client, options }: DriverPool): () => OwnClient {
  if (typeof Client !== 'function') {
    throw expected('the pool of listen()', 'one that has the `Client` of its driver', Client)
  }
  // What a pool of the driver has there, and makes its connections with.
  const OwnClass = Client as new (options: object | undefined) => OwnClient
  return () => new OwnClass(options)
}
