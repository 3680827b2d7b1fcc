/**
 * A pool as query builders know it: its clients are leases, or work on one connection that somebody else holds. Some know
 * a pool by its class, or by the name of that.
 */
import { EventEmitter } from 'node:events'

import { ignore } from '../core/dispose.ts'
import type { DriverPool } from './driver.ts'
import type { FacadeClient, Result, ResultCallback } from './facade-client.ts'
import { settle } from './facade-cursor.ts'

/** All that an emitter does. */
const emitting = [
  ...(['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const),
  ...(['off', 'removeListener', 'removeAllListeners', 'emit', 'setMaxListeners'] as const),
  ...(['listeners', 'rawListeners', 'listenerCount', 'eventNames', 'getMaxListeners'] as const),
]

type Connected = (
  error: Error | null,
  client?: FacadeClient,
  release?: (error?: unknown) => void,
) => void

/** Where its clients come from. */
interface FacadeSource {
  readonly driver: Partial<DriverPool> & {
    readonly Client?: unknown
    readonly options?: object
    readonly expiredCount?: number
  }
  readonly counts: { readonly total: number; readonly idle: number; readonly waiting: number }
  checkOut(): Promise<FacadeClient>
}

export class FacadePool {
  readonly #source: FacadeSource
  readonly #events: EventEmitter

  static {
    // Minifiers change the names of classes.
    Object.defineProperty(this, 'name', { value: 'PgFacadePool' })
    // What it inherits of the driver's would listen to the facade, of which nobody hears.
    for (const name of emitting) {
      const value = function (this: FacadePool, ...parameters: unknown[]): unknown {
        const result: unknown = Reflect.apply(this.#events[name], this.#events, parameters)
        return result === this.#events ? this : result
      }
      Object.defineProperty(this.prototype, name, { value, configurable: true, writable: true })
    }
  }

  constructor(source: FacadeSource) {
    this.#source = source
    const { driver } = source
    // A pool of the driver is one; of one connection, there are no events.
    this.#events = 'emit' in driver ? (driver as unknown as EventEmitter) : heard()
  }

  /** Also where it is one of the driver's by its class. */
  static is(value: object): boolean {
    return #source in value
  }

  get Client(): unknown {
    return this.#source.driver.Client
  }

  get options(): object {
    return this.#source.driver.options ?? {}
  }

  get totalCount(): number {
    return this.#source.counts.total
  }

  get idleCount(): number {
    return this.#source.counts.idle
  }

  get waitingCount(): number {
    return this.#source.counts.waiting
  }

  get expiredCount(): number {
    return this.#source.driver.expiredCount ?? 0
  }

  connect(callback?: Connected | null): Promise<FacadeClient> | undefined {
    const client = this.#source.checkOut()
    if (callback === undefined || callback === null) return client
    void settle(client, (error, connected) =>
      callback(error, connected, (why) => connected?.release(why)),
    )
    return undefined
  }

  query(first: unknown, second?: unknown, third?: unknown): unknown {
    const [values, callback] = typeof second === 'function' ? [undefined, second] : [second, third]
    // The driver's own signature.
    return settle(this.#query(first, values), callback as ResultCallback | undefined)
  }

  /** What it stands for is not its own to end. */
  end(callback?: (error: Error | null) => void): Promise<void> | undefined {
    return settle(Promise.resolve(), callback)
  }

  async #query(first: unknown, values: unknown): Promise<Result> {
    const client = await this.#source.checkOut()
    try {
      return await client.run(first, values)
    } finally {
      client.release()
    }
  }
}

/** Who finds nobody who listens, as in a pool whose failures end the process, warns of that: graphile-worker with each job. */
function heard(): EventEmitter {
  return new EventEmitter().on('error', ignore).on('connect', ignore)
}

/** Ours, over the class of a driver's pool. */
const prototypes = new WeakMap<object, object>()

/**
 * `facade` as an instance of the class of `driver` too: Prisma takes everything else for options, and would connect with
 * them to what it finds.
 */
export function likeDriver(facade: FacadePool, driver: object): FacadePool {
  // Of every object there is one, or none.
  const theirs = Object.getPrototypeOf(driver) as object | null
  if (theirs !== null) Object.setPrototypeOf(facade, prototypeOver(theirs))
  return facade
}

function prototypeOver(theirs: object): object {
  const known = prototypes.get(theirs)
  if (known !== undefined) return known
  const own = Object.getOwnPropertyDescriptors(FacadePool.prototype)
  // Made of an object.
  const prototype = Object.create(theirs, own) as object
  prototypes.set(theirs, prototype)
  return prototype
}
