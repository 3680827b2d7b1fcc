/** Waiting for an advisory lock: with a bound, and without harm to the transaction in which it is asked for. */
import { after } from '../core/deadline.ts'
import { abortSignal, checkOptions, flag, milliseconds } from '../core/options.ts'
import type { DriverResult } from './driver.ts'
import { rollBackTo } from './ending.ts'
import { lockTimedOut } from './errors.ts'
import { lockNumber } from './lock-key.ts'
import type { Session } from './session.ts'
import { Statement } from './statement.ts'
import { submit } from './submit.ts'
import type { PgLockKey, PgLockOptions } from './held-types.ts'

const rules = { shared: flag, signal: abortSignal, timeout: milliseconds }
const tryRules = { shared: flag }

type Call = 'advisoryLock()' | 'tryAdvisoryLock()'

export type LockArguments = [key: PgLockKey, options?: PgLockOptions]

/** What is asked for, checked. */
export interface Wanted {
  readonly key: PgLockKey
  readonly signal: AbortSignal | undefined
  /** Milliseconds. Zero: nobody waits, it is tried. */
  readonly timeout: number | undefined
  /** The statement that calls this function of PostgreSQL. */
  readonly sql: (name: string) => string
  /** What gives it back where this session holds it. */
  readonly giveBackIfHeld: string
}

/** @throws {TypeError} for what is no key, and for wrong options */
export function lockWanted([key, options]: LockArguments, where: Call): Wanted {
  const waits = where === 'advisoryLock()'
  checkOptions(where, options, waits ? rules : tryRules)
  const { shared = false, signal, timeout = waits ? undefined : 0 } = options ?? {}
  const number = lockNumber(key)
  const call = (name: string): string => `${name}${shared ? '_shared' : ''}('${number}'::bigint)`
  // A row for a yes, as for no answer at all: how the driver reads values is for others to set.
  const sql = (name: string): string => `SELECT WHERE ${call(name)}::text <> 'false'`
  const mode = shared ? 'ShareLock' : 'ExclusiveLock'
  const giveBackIfHeld = `SELECT ${call('pg_advisory_unlock')}::text FROM pg_locks
    WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1 AND mode = '${mode}'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) = '${number}'::bigint`
  return { key, signal, timeout, sql, giveBackIfHeld }
}

/** Where and how it is asked for. */
export interface Asking {
  readonly session: Session
  /** Of the transaction around it. */
  readonly outer?: AbortSignal | undefined
  /** The functions that wait for it and that try. */
  readonly functions: readonly [wait: string, attempt: string]
  /** Called where it may have come although nobody wants it any more: the server keeps it also after an error. */
  readonly onUnknown?: () => void
}

/** What waits comes to nothing else. */
export function saysYes(result: DriverResult): boolean {
  return !('command' in result) || result.rowCount !== 0
}

const functions = ['pg_advisory_xact_lock', 'pg_try_advisory_xact_lock'] as const

/** One that ends with the transaction `host`. */
export async function transactionLock(
  host: { usable(): Session; readonly signal: AbortSignal | undefined },
  parameters: LockArguments,
  where: Call,
): Promise<boolean> {
  const session = host.usable()
  return await takeLock(lockWanted(parameters, where), { session, outer: host.signal, functions })
}

let savepoints = 0

/**
 * Rejects with `ERR_PG_LOCK_NOT_AVAILABLE` after the timeout, and with the reason of a signal.
 * @returns false where it was tried, and somebody else holds it
 */
export async function takeLock(
  { key, signal, timeout, sql }: Wanted,
  { session, outer, functions: [wait, attempt], onUnknown }: Asking,
): Promise<boolean> {
  const lock = sql(timeout === 0 ? attempt : wait)
  const ms = timeout || undefined
  savepoints += 1
  const savepoint = `unwind_lock_${savepoints}`
  const guarded = `SAVEPOINT ${savepoint}; ${lock}; RELEASE ${savepoint}`
  const text = {
    // Read when it is sent: a transaction that was open, or about to begin, may be over by then.
    get text() {
      // In one message: nothing else gets in between.
      return ms !== undefined && session.status === 'T' ? guarded : lock
    },
  }
  const statement = new Statement(text, undefined, false)
  submit(session, statement, signal, outer)
  const stop =
    ms === undefined
      ? undefined
      : after(ms, () => void giveUp(session, statement, savepoint, lockTimedOut(key, ms)))
  try {
    return saysYes(await statement.promise)
  } catch (error) {
    if (statement.sent) onUnknown?.()
    throw error
  } finally {
    stop?.()
  }
}

/** The line is held from the first moment on: nothing is sent into a transaction that has failed because of this. */
async function giveUp(
  session: Session,
  statement: Statement,
  savepoint: string,
  error: Error,
): Promise<void> {
  await session.exclusively(async () => {
    if (!statement.sent) {
      session.line.remove(statement)
    } else if (session.line.running === statement) {
      statement.aborted = true
      // The status is that of before: a savepoint was made in a transaction that had not failed.
      const guarded = session.status === 'T'
      await session.interrupt()
      if (guarded && statement.result === undefined) await rollBackTo(session, savepoint)
    }
    // It came at the last moment.
    if (statement.result !== undefined) statement.resolve(statement.result)
    else statement.reject(error)
  })
}
