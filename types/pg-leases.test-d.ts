// The pool, its leases and their transactions: every signature, and what must not compile.
import {
  pgPool,
  type PgCommitUnknownError,
  type PgConnectionLostError,
  type PgLease,
  type PgPool,
  type PgPoolLike,
  type PgPoolOptions,
  type PgQueryable,
  type PgQueryOptions,
  type PgQueryResult,
  type PgTransaction,
  type PgTransactionOpenError,
  type PgTransactionOptions,
  type PgTransactionRolledBackError,
} from 'unwind/pg'
import type { UnwindError } from 'unwind'
import type pg from 'pg'
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'

declare const raw: pg.Pool
declare const queryable: PgQueryable
declare const pool: PgPool
declare const lease: PgLease
declare const tx: PgTransaction
const { signal } = new AbortController()

// A pool of node-postgres is what is asked for, as it is or to be made.
expectAssignable<PgPoolLike<pg.PoolClient>>(raw)
const given = pgPool(raw)
expectType<PgPool<pg.Pool> & AsyncDisposable>(given)
const made = pgPool(() => raw)
expectType<PgPool<pg.Pool> & AsyncDisposable>(made)
expectType<pg.Pool>(given.driver)
// The text to connect with is no pool.
expectError(pgPool('postgres://localhost'))
// Making a pool is no asynchronous act.
expectError(pgPool(async () => raw))
// What may be waited for is not disposed of by `using`.
expectNotAssignable<Disposable>(given)

const options: PgPoolOptions[] = [
  {},
  { own: true, reset: 'auto', inFlight: 'cancel', grace: 2_000 },
  { reset: 'always', inFlight: 'wait' },
  { reset: 'never', inFlight: 'destroy' },
  { reset: { sql: 'DISCARD ALL' } },
  { reset: { sql: 'DISCARD ALL', when: 'auto' } },
  { reset: { sql: 'DISCARD ALL', when: 'always' } },
  { transactionPooling: true },
]
expectType<PgPoolOptions[]>(options)
expectError(pgPool(raw, { reset: 'sometimes' }))
// A reset that never happens needs no statements.
expectError(pgPool(raw, { reset: { sql: 'DISCARD ALL', when: 'never' } }))
expectError(pgPool(raw, { reset: 'DISCARD ALL' }))
expectError(pgPool(raw, { inFlight: 'ignore' }))
expectError(pgPool(raw, { grace: '2s' }))
// Options of the driver's belong to the driver's pool.
expectError(pgPool(raw, { max: 4 }))

// Whoever acquires owns, and whoever is lent does not.
const acquired = pool.acquire()
expectType<Promise<PgLease & AsyncDisposable>>(acquired)
const acquiredInTime = pool.acquire({ signal })
expectType<Promise<PgLease & AsyncDisposable>>(acquiredInTime)
expectError(pool.acquire({ timeout: 5 }))
expectError(pool.acquire(signal))
expectNotAssignable<AsyncDisposable>(lease)
expectNotAssignable<AsyncDisposable>(tx)
expectNotAssignable<AsyncDisposable>(pool)
expectNotAssignable<Disposable>(lease)

// Statements read the same wherever they run.
expectAssignable<PgQueryable>(pool)
expectAssignable<PgQueryable>(lease)
expectAssignable<PgQueryable>(tx)
interface User {
  id: number
}
const plain = queryable.query('select 1')
expectAssignable<Promise<PgQueryResult<User>>>(plain)
const typed = queryable.query<User>('select id from users where id = $1', [1], { signal })
expectType<Promise<PgQueryResult<User>>>(typed)
const read = queryable.query<User>('select 1', [1, 'two', null] as const)
expectType<Promise<PgQueryResult<User>>>(read)
const configured = queryable.query<User>({ text: 'select 1', values: [1], name: 'one' }, { signal })
expectType<Promise<PgQueryResult<User>>>(configured)
const rows = queryable.query<[number]>({ text: 'select 1', rowMode: 'array' })
expectType<Promise<PgQueryResult<[number]>>>(rows)
// Without values, the options are the third all the same.
expectError(queryable.query('select 1', { signal }))
expectError(queryable.query({ values: [1] }))
expectError(queryable.query({ text: 'select 1', rowMode: 'object' }))
expectError(queryable.query('select $1', 1))
expectError(queryable.query('select 1', [], { timeout: 5 }))
// No callbacks.
expectError(queryable.query('select 1', () => {}))
expectAssignable<PgQueryOptions>({ signal })

declare const result: PgQueryResult<User>
expectType<User[]>(result.rows)
expectType<number | null>(result.rowCount)
expectType<string>(result.command)
expectType<readonly { readonly name: string; readonly dataTypeID: number }[]>(result.fields)

// Leases.
expectType<boolean>(lease.disposed)
// It is disposed by being disposed.
expectError((lease.disposed = true))
const cancelled = lease.cancel()
expectType<Promise<void>>(cancelled)
const marked: void = lease.markDirty()
expectType<void>(marked)
const unsafe = lease.unsafeClient()
expectType<unknown>(unsafe)
// What nobody looked at is not the driver's client yet.
expectNotAssignable<pg.Client>(unsafe)
// Leases are disposed, not released: the driver's word would hide that it may wait.
expectError(lease.release())

// Transactions.
const begun = lease.begin()
expectType<Promise<PgTransaction & AsyncDisposable>>(begun)
const asked: PgTransactionOptions[] = [
  {},
  { isolation: 'read committed' },
  { isolation: 'repeatable read', readOnly: false, signal },
  { isolation: 'serializable', readOnly: true, deferrable: true },
]
expectType<PgTransactionOptions[]>(asked)
// PostgreSQL has no such level of its own.
expectError(lease.begin({ isolation: 'read uncommitted' }))
expectError(lease.begin({ isolation: 'SERIALIZABLE' }))
// Who begins by hand ends by hand: there is nothing to retry.
expectError(lease.begin({ retry: 3 }))
expectType<'open' | 'failed' | 'committed' | 'rolled back'>(tx.state)
expectError((tx.state = 'committed'))
const ended: Promise<void>[] = [tx.commit(), tx.rollback()]
expectType<Promise<void>[]>(ended)
const nested = tx.savepoint()
expectType<Promise<PgTransaction & AsyncDisposable>>(nested)
const called: void = tx.afterCommit(() => {})
expectType<void>(called)
expectType<void>(tx.afterCommit(async () => 5))
expectError(tx.afterCommit('done'))
expectError(tx.afterCommit((committed: number) => committed))
// A transaction inside of one is a savepoint.
expectError(tx.begin())

// The body's result, awaited.
const five = pool.transaction(() => 5)
expectType<Promise<number>>(five)
const six = pool.transaction(async (inner) => (await inner.query<User>('select 1')).rows[0])
expectType<Promise<User | undefined>>(six)
const seven = pool.transaction({ retry: 3, isolation: 'serializable', signal }, async () => 7)
expectType<Promise<number>>(seven)
const given8 = pool.transaction((inner) => {
  expectType<PgTransaction>(inner)
})
expectType<Promise<void>>(given8)
// The options come first, so that they are read before the body.
expectError(pool.transaction(() => 5, { retry: 3 }))
expectError(pool.transaction({ retry: 3 }))
expectError(pool.transaction({ retry: true }, () => 5))
expectError(pool.transaction({ retries: 3 }, () => 5))
// The transaction of `transaction` is ended by it.
void pool.transaction((inner) => expectNotAssignable<AsyncDisposable>(inner))

const stats = pool.stats()
expectType<{
  readonly total: number
  readonly idle: number
  readonly leased: number
  readonly waiting: number
}>(stats)

// Errors are told apart by their codes.
declare const rolledBack: PgTransactionRolledBackError
declare const unknown: PgCommitUnknownError
declare const open: PgTransactionOpenError
declare const lost: PgConnectionLostError
expectType<'ERR_PG_ROLLED_BACK'>(rolledBack.code)
expectType<'ERR_PG_COMMIT_UNKNOWN'>(unknown.code)
expectType<'ERR_PG_TRANSACTION_OPEN'>(open.code)
expectType<'ERR_PG_CONNECTION_LOST'>(lost.code)
for (const error of [rolledBack, unknown, open, lost]) expectAssignable<UnwindError>(error)
