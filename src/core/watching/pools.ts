/**
 * The pools of the process, for whoever wants to see how full they are. A pool that is forgotten is not kept by this.
 */

/** How a pool stands now. */
interface PoolCounts {
  /** Connections that are open or being opened. */
  readonly total: number
  readonly idle: number
  readonly leased: number
  /** Calls that wait for a connection. */
  readonly waiting: number
}

export interface PoolSource {
  /** `host:port/database`, as the semantic conventions of OpenTelemetry name a pool; never a connection string. */
  readonly poolName: string
  /** As the semantic conventions name it: `postgresql`. */
  readonly system: string
  /** How many connections there can be; `undefined` where that is not known. */
  readonly limit: number | undefined
  stats(): PoolCounts
}

const pools = new Set<WeakRef<PoolSource>>()

export function poolOpened(pool: PoolSource): void {
  pools.add(new WeakRef(pool))
}

export function poolClosed(pool: PoolSource): void {
  for (const reference of pools) if (reference.deref() === pool) pools.delete(reference)
}

/** In the order in which they were opened. */
export function openPools(): PoolSource[] {
  const open: PoolSource[] = []
  for (const reference of pools) {
    const pool = reference.deref()
    if (pool === undefined) pools.delete(reference)
    else open.push(pool)
  }
  return open
}
