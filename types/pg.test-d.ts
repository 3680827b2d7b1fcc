import type { Resource } from 'unwind'
import {
  pgPool,
  pgResources,
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
