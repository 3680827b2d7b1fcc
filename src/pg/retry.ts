/** A transaction around a function: begin, run, commit; and all of it again where the server asks for that. */
import { setTimeout as pause } from 'node:timers/promises'
import type { PgPool, PgTransaction, PgTransactionOptions } from './types.ts'

export type Body<R> = (tx: PgTransaction) => R | PromiseLike<R>

/** Milliseconds: the first pause is at most `base` long, and each at most twice the one before, up to `longest`. */
const base = 10
const longest = 1_000

/** Serialization failure, deadlock: the transaction did nothing wrong, and nothing at all. */
const retried: ReadonlySet<unknown> = new Set(['40001', '40P01'])

export async function inTransaction<R>(
  pool: Pick<PgPool, 'acquire'>,
  options: PgTransactionOptions,
  retry: number,
  body: Body<R>,
): Promise<R> {
  for (let attempt = 0; ; attempt += 1) {
    let begun: PgTransaction | undefined
    try {
      return await once(pool, options, (tx) => {
        begun = tx
        return body(tx)
      })
    } catch (error) {
      // What failed after the commit must not commit again.
      if (attempt >= retry || begun?.state === 'committed' || !asksForRetry(error)) throw error
    }
    await pause(jitter(attempt), undefined, options.signal && { signal: options.signal })
  }
}

async function once<R>(
  pool: Pick<PgPool, 'acquire'>,
  options: PgTransactionOptions,
  body: Body<R>,
): Promise<R> {
  const { signal } = options
  const lease = await pool.acquire(signal && { signal })
  try {
    const tx = await lease.begin(options)
    try {
      const result = await body(tx)
      // The body may have ended it itself.
      if (tx.state === 'open' || tx.state === 'failed') await tx.commit()
      return result
    } finally {
      await tx[Symbol.asyncDispose]()
    }
  } finally {
    await lease[Symbol.asyncDispose]()
  }
}

/** Also where a query builder wrapped the server's error, or the body swallowed it and COMMIT told. */
function asksForRetry(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth += 1) {
    if ('code' in at && at.code === 'ERR_PG_COMMIT_UNKNOWN') return false
    if ('code' in at && retried.has(at.code)) return true
  }
  return false
}

/** At random over the whole length: those who collided do not meet again. */
function jitter(attempt: number): number {
  return Math.random() * Math.min(longest, base * 2 ** attempt)
}
