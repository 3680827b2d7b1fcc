/**
 * Closing the scope of a request before others write the first byte of its answer: a framework, with the result of the
 * handler, or with what it makes of a failure.
 */
import { report } from '../core/app.ts'
import { primaryError } from '../core/dispose.ts'
import { expected } from '../core/options.ts'
import type { Served } from './served.ts'

/**
 * Rejects with what should be answered instead; what the client cannot be told of is reported. `undefined`: it has closed.
 */
export function closeForAnswer(served: Served): Promise<void> | undefined {
  if (served.over) return undefined
  const closing = served.end()
  return closing && settle(served, closing)
}

/** The handler failed, and others answer that once everything is released. @returns what they should answer */
export async function failForAnswer(served: Served, error: unknown): Promise<unknown> {
  if (served.over) return visible(plain(served, error))
  served.delegated = true
  served.fail(error)
  try {
    await closeForAnswer(served)
    return visible(error)
  } catch (failure) {
    return failure
  }
}

async function settle(served: Served, closing: Promise<void>): Promise<void> {
  const { failure } = served
  try {
    await closing
  } catch (error) {
    const primary = plain(served, error)
    // An answer to what the handler failed with is on its way.
    if (failure === undefined || primary !== failure.error) throw visible(primary)
  }
}

/** What a client can be told of a chain of errors; the whole chain is reported. */
function plain(served: Served, error: unknown): unknown {
  const primary = primaryError(error)
  if (error !== primary) report(served.scope, error)
  return primary
}

/** `error` for frameworks, which take some values for no error, or for a command: these are the cause of one. */
export function visible(error: unknown): unknown {
  if (Boolean(error) && error !== 'route' && error !== 'router') return error
  return Object.assign(expected('what a request fails with', 'an error', error), { cause: error })
}
