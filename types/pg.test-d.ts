import type { Resource } from 'unwind'
import {
  pgPool,
  pgResources,
  transactional,
  type PgCursor,
  type PgCursorOpenError,
  type PgListenOptions,
  type PgLock,
  type PgLockNotAvailableError,
  type PgNotification,
  type PgPoolExhaustedError,
  type PgPropagation,
  type PgSubscription,
  type PgTransactionPoolingError,
  type PgUnexpectedRollbackError,
  type PgTransactionRolledBackError,
  type PgLease,
  type PgPool,
  type PgPoolLike,
  type PgQueryResult,
  type PgTransaction,
} from 'unwind/pg'
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'

interface Client {
  release(): void
}
declare const raw: PgPoolLike<Client>
declare const lease: PgLease
declare const tx: PgTransaction

const pool = pgPool(raw, { own: true, reset: 'auto', inFlight: 'cancel', grace: 100 })
expectAssignable<AsyncDisposable>(pool)
expectAssignable<PgPool>(pool)
expectError(pgPool(raw, { reset: 'sometimes' }))

const acquired = pool.acquire({ signal: new AbortController().signal })
expectAssignable<Promise<PgLease & AsyncDisposable>>(acquired)

const rows = lease.query<{ id: number }>('select 1 as id', [1])
expectType<Promise<PgQueryResult<{ id: number }>>>(rows)

const begun = lease.begin({ isolation: 'serializable', readOnly: true, deferrable: true })
expectAssignable<Promise<PgTransaction & AsyncDisposable>>(begun)
expectError(lease.begin({ isolation: 'snapshot' }))

const { state } = tx
expectType<'open' | 'failed' | 'committed' | 'rolled back'>(state)
const committed = tx.commit()
expectType<Promise<void>>(committed)

const retried = pool.transaction({ retry: 3 }, () => 5)
expectType<Promise<number>>(retried)

const resources = pgResources(raw)
expectAssignable<Resource<PgPool>>(resources.pool)
expectAssignable<Resource<PgLease>>(resources.connection)
expectAssignable<Resource<PgTransaction>>(resources.transaction)
// What a scope lends is not the borrower's to dispose.
expectNotAssignable<AsyncDisposable>(lease)
expectNotAssignable<AsyncDisposable>(tx)

declare const rolledBack: PgTransactionRolledBackError
expectType<'ERR_PG_ROLLED_BACK'>(rolledBack.code)

// Cursors: rows of the caller's type, to be disposed by whoever opened them.
for (const owner of [lease, tx]) {
  const cursor = owner.cursor<{ id: number }>('select 1 as id', [1], { batch: 10 })
  expectAssignable<PgCursor<{ id: number }> & AsyncDisposable>(cursor)
  const page = cursor.read(5)
  expectType<Promise<{ id: number }[]>>(page)
  for await (const row of cursor) expectType<{ id: number }>(row)
  // A page has a size.
  expectError(cursor.read())
  expectError(owner.cursor('select 1', [], { batch: '10' }))
  // There is no option of that name.
  expectError(owner.cursor('select 1', [], { size: 10 }))
  // Only `await using` waits for its end.
  expectNotAssignable<Disposable>(cursor)
}

// Locks: those of a lease are held and given back, those of a transaction end with it.
const lock = lease.advisoryLock('key', { shared: true, timeout: 100 })
expectAssignable<Promise<PgLock & AsyncDisposable>>(lock)
const tried = await lease.tryAdvisoryLock(1n, { shared: true })
expectAssignable<(PgLock & AsyncDisposable) | undefined>(tried)
// It may be somebody else's.
expectNotAssignable<PgLock>(tried)
const locked = tx.advisoryLock(1)
expectType<Promise<void>>(locked)
const free = tx.tryAdvisoryLock(1)
expectType<Promise<boolean>>(free)
declare const held: PgLock
expectType<AbortSignal>(held.signal)
expectNotAssignable<AsyncDisposable>(held)
expectError(lease.advisoryLock(true))
// A try does not wait.
expectError(lease.tryAdvisoryLock(1, { timeout: 5 }))

// Notifications: a payload or a gap, which has to be told apart.
const listening = pool.listen('channel', { maxQueue: 1, heartbeat: 1_000 })
expectAssignable<Promise<PgSubscription & AsyncDisposable>>(listening)
for await (const notification of await listening) {
  expectType<PgNotification>(notification)
  expectError(notification.payload)
  if ('gap' in notification) expectType<number | undefined>(notification.dropped)
  else expectType<string>(notification.payload)
}
expectError(pool.listen())
expectAssignable<PgListenOptions>({ signal: new AbortController().signal })

// A pool for query builders is typed as the pool that was given in.
const { driver } = pool
expectType<PgPoolLike<Client>>(driver)
const { driver: made } = pgPool(() => raw)
expectType<PgPoolLike<Client>>(made)
const asPool = tx.asPool<PgPoolLike<Client>>()
expectType<PgPoolLike<Client>>(asPool)
expectType<unknown>(lease.asPool())
expectError(pgPool(raw, { transactionPooling: 'yes' }))

// Parts of a request's work.
const part = transactional(resources, (own) => {
  expectType<PgTransaction>(own)
  return 5
})
expectType<Promise<number>>(part)
const own = transactional(
  resources,
  { propagation: 'requiresNew', readOnly: true },
  async () => 'a',
)
expectType<Promise<string>>(own)
expectAssignable<PgPropagation>('nested')
// Not every word of Spring's.
expectError(transactional(resources, { propagation: 'mandatory' }, () => 5))
expectError(transactional(resources, { propagation: 'nested' }))

declare const unexpected: PgUnexpectedRollbackError
expectType<'ERR_PG_UNEXPECTED_ROLLBACK'>(unexpected.code)
declare const notAvailable: PgLockNotAvailableError
expectType<'ERR_PG_LOCK_NOT_AVAILABLE'>(notAvailable.code)
declare const cursorOpen: PgCursorOpenError
expectType<'ERR_PG_CURSOR_OPEN'>(cursorOpen.code)
declare const exhausted: PgPoolExhaustedError
expectType<'ERR_PG_POOL_EXHAUSTED'>(exhausted.code)
declare const pooling: PgTransactionPoolingError
expectType<'ERR_PG_TRANSACTION_POOLING'>(pooling.code)
