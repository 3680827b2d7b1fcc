/** The facades: of a pool, and of one connection that somebody holds. */
import { ignore } from '../core/dispose.ts'
import type { DriverClient, DriverPool } from './driver.ts'
import { FacadeClient } from './facade-client.ts'
import { FacadePool, likeDriver } from './facade-pool.ts'
import type { Lease } from './lease.ts'
import type { Transaction } from './transaction.ts'

interface Leases {
  acquire(): Promise<Lease>
  stats(): { readonly total: number; readonly idle: number; readonly waiting: number }
}

/** A pool whose clients are leases. */
export function poolOfLeases(driver: DriverPool, pool: Leases): FacadePool {
  const facade = new FacadePool({
    driver,
    get counts() {
      return pool.stats()
    },
    async checkOut() {
      const lease = await pool.acquire()
      return new FacadeClient(lease, (error) => {
        if (error === undefined) void lease[Symbol.asyncDispose]()
        else lease.destroy(error)
      })
    },
  })
  return likeDriver(facade, driver)
}

/** A pool of one connection. What it does on release and at the end is nothing: both are somebody else's. */
export function poolOfOne(host: Lease | Transaction): FacadePool {
  const { client, pool } = host.usable()
  /** What clients of this have left open is rolled back before the next one works. */
  let leaving: Promise<void> | undefined
  const facade = new FacadePool({
    driver: { Client: client.constructor, options: optionsOf(client) },
    counts: { total: 1, idle: 0, waiting: 0 },
    async checkOut() {
      await leaving
      host.usable()
      return new FacadeClient(host, (_, begun) => {
        if (begun !== undefined) leaving = Promise.all([leaving, leave(begun)]).then(ignore)
      })
    },
  })
  return likeDriver(facade, pool)
}

/** What was to be begun, and was not, is told to whoever asked for it. */
async function leave(begun: Transaction | Promise<Transaction>): Promise<void> {
  const tx = 'then' in begun ? await begun.catch(ignore) : begun
  // Where a statement ended it, its owner is told.
  if (tx?.lapsed === false) await tx[Symbol.asyncDispose]()
}

/** To the same server, for whoever wants to end a statement from there. */
function optionsOf(client: DriverClient): object {
  const { host, port, database, user, password, ssl } = client
  const options = { host, port, database, user, ssl }
  // As the driver hides it: it is not to be seen in a log.
  return Object.defineProperty(options, 'password', { value: password, enumerable: false })
}
