/** `unwind/pg`: leases, transactions and savepoints over a pool of node-postgres. */
export {
  PgCommitUnknownError,
  PgConnectionLostError,
  PgCursorOpenError,
  PgLockNotAvailableError,
  PgPoolExhaustedError,
  PgTransactionEndedError,
  PgTransactionOpenError,
  PgTransactionPoolingError,
  PgTransactionRolledBackError,
  PgUnexpectedRollbackError,
} from './errors.ts'
export { pgPool } from './open.ts'
export { pgResources } from './resources.ts'
export type { PgResources, PgResourcesOptions } from './resources.ts'
export { transactional } from './transactional.ts'
export type { PgPropagation, PgTransactionalOptions } from './transactional.ts'
export type {
  PgCursor,
  PgCursorOptions,
  PgListenOptions,
  PgLock,
  PgLockKey,
  PgLockOptions,
  PgNotification,
  PgSubscription,
} from './held-types.ts'
export type {
  PgLease,
  PgPool,
  PgPoolLike,
  PgPoolOptions,
  PgQueryable,
  PgQueryConfig,
  PgQueryOptions,
  PgQueryResult,
  PgReset,
  PgTransaction,
  PgTransactionOptions,
} from './types.ts'
