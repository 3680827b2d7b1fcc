/**
 * How a scope ended, and what is told of that to those who release what it held.
 */

/**
 * How a scope came to its end.
 *
 * - `success`: its body fulfilled, or `complete()` was called
 * - `failure`: its body, a task or an inner release failed
 * - `aborted`: it was aborted before its body settled, and the body did not fulfil; or after that, and it cut a task off
 * - `unknown`: an `await using` scope was left without `complete()`
 */
export type Outcome =
  | { readonly status: 'success' }
  | {
      readonly status: 'failure'
      /** What was thrown, with what failed since as a chain of `SuppressedError`s. */
      readonly error: unknown
    }
  | {
      readonly status: 'aborted'
      /** The reason of the signal. */
      readonly reason: unknown
      /** What was thrown since, if anything was: often the reason itself. */
      readonly error?: unknown
    }
  | { readonly status: 'unknown' }

/** What every release function is given: the completion so far, and a signal of its own. */
export type Exit = Outcome & {
  /** Aborts only when this release exceeds its dispose timeout; never because the request was aborted. Made on first read. */
  readonly signal: AbortSignal
}

/**
 * What a `yield` evaluates to: only ever success. A failure, an abort and an unknown outcome are thrown there, so
 * cleanup belongs into `finally`.
 */
export type Success = Exit & { readonly status: 'success' }
