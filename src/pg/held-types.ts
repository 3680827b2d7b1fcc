/** What cursors, locks and subscriptions are to those who use them. */

/** How many rows a cursor fetches at a time, and what ends it early. */
export interface PgCursorOptions {
  /** Rows that an iteration fetches at a time. Default 100. */
  batch?: number
  /** Aborting cancels the read that runs, and refuses all later ones, with the signal's reason. */
  signal?: AbortSignal
}

/**
 * Rows, fetched in batches: no more of them are in memory than one batch. Leaving the loop closes the cursor. A read
 * after a failure fails again, and one after the end of the cursor's life rejects with `ERR_DISPOSED`: an empty page
 * is the end of the rows, and nothing else.
 */
export interface PgCursor<Row> extends AsyncIterable<Row> {
  /** At most `count` rows; an empty array at the end. Do not mix it with a loop, which keeps the rows of its batch. */
  read(count: number): Promise<Row[]>
}

/** A whole number of 64 bits, or a text, which is hashed to one: see `docs/drivers.md`. */
export type PgLockKey = number | bigint | string

/** How an advisory lock is shared, and how long it is waited for. */
export interface PgLockOptions {
  /** With others who share it, and with nobody who does not. Default `false`. */
  shared?: boolean
  /** Aborting stops the wait, as it cancels a query. */
  signal?: AbortSignal
  /** Milliseconds, the wait for earlier statements included; then `ERR_PG_LOCK_NOT_AVAILABLE`. Default: none. */
  timeout?: number
}

/** A session-level advisory lock. Disposing it gives it back, once for each time that it was taken. */
export interface PgLock {
  /** Aborts when the lock may have been lost: its connection broke, or its lease was released. Made on first read. */
  readonly signal: AbortSignal
}

/** How a subscription is bounded and watched. */
export interface PgListenOptions {
  /** Aborting ends the subscription, and the loops that read it. */
  signal?: AbortSignal
  /** Notifications kept while nobody reads. Default 1_000; beyond it the oldest are dropped and a gap is reported. */
  maxQueue?: number
  /** Milliseconds between probes of the connection, and for the answer to one, which has 500 at least. From 1; default 30_000. */
  heartbeat?: number
}

/** What a subscription brings: a notification, or a gap where some may have been missed. */
export type PgNotification =
  | {
      /** The text that NOTIFY was given; empty where it was given none. */
      readonly payload: string
    }
  | {
      /** Something may have been missed here. */
      readonly gap: true
      /** How many were dropped from a full queue; `undefined` where that is not known, as after a lost connection. */
      readonly dropped: number | undefined
    }

/**
 * What is sent to a channel. Leaving a loop does not end it: another one goes on where that stopped. It ends with its
 * dispose, its signal or its pool, and so do the loops then.
 */
export interface PgSubscription extends AsyncIterable<PgNotification> {}
