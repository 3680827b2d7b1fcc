/** A transaction around a function, all of it again where the server asks for that. */
import { setTimeout as pause } from 'node:timers/promises'
import { primaryError } from '../core/dispose.ts'
import { isError } from '../core/errors/format.ts'
import { isServerError } from './errors.ts'
import { inTransaction, type Body, type OwnLease } from './in-transaction.ts'
import type { PgTransaction, PgTransactionOptions } from './types.ts'

interface Acquires {
  acquire(options?: { signal?: AbortSignal }): Promise<OwnLease>
}

/** Milliseconds: the first pause is at most `base` long, and each at most twice the one before, up to `longest`. */
const base = 10
const longest = 1_000

/** Serialization failure, deadlock: the transaction did nothing wrong, and nothing at all. */
const retried: ReadonlySet<unknown> = new Set(['40001', '40P01'])

/** As `inTransaction`, on a lease for each attempt, of which there are up to `retry` more. */
export async function inTransactions<R>(
  pool: Acquires,
  options: PgTransactionOptions | undefined,
  retry: number,
  body: Body<R>,
): Promise<R> {
  const signal = options?.signal
  for (let attempt = 0; ; attempt += 1) {
    let begun: PgTransaction | undefined
    try {
      return await inTransaction(pool.acquire(signal && { signal }), options, (tx) => {
        begun = tx
        return body(tx)
      })
    } catch (error) {
      // What failed after the commit must not commit again.
      if (attempt >= retry || begun?.state === 'committed' || !asksForRetry(error)) throw error
    }
    await jitter(attempt, signal)
  }
}

/** The server does, also where a query builder wrapped its error, or the body swallowed it and COMMIT told. */
function asksForRetry(error: unknown): boolean {
  for (
    let at = primaryError(error), depth = 0;
    isError(at) && depth < 10;
    at = at.cause, depth += 1
  ) {
    if ('code' in at && at.code === 'ERR_PG_COMMIT_UNKNOWN') return false
    if (isServerError(at) && retried.has(at.code)) return true
  }
  return false
}

/** At random over the whole length: those who collided do not meet again. */
async function jitter(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = Math.random() * Math.min(longest, base * 2 ** attempt)
  try {
    await pause(ms, undefined, signal && { signal })
  } catch {
    signal?.throwIfAborted()
  }
}
