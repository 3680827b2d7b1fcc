/**
 * One handler in its scope, to its end: the scope closes with what the handler came to, and nothing is thrown.
 */
import { isInterrupted, report } from '../core/app.ts'
import { isAbandoned } from '../core/completion.ts'
import { primaryError } from '../core/dispose.ts'
import type { Scope } from '../core/types.ts'
import { abandonable } from '../core/waiting.ts'
import type { Connection } from './connection.ts'

/** Milliseconds a handler may go on after its abort, before its resources are destroyed. As for requests. */
export const abandonAfter = 5_000

/** Whether `handler` fulfilled and everything was released. What nobody expected goes to the `onError` of the scope. */
export async function settled(
  socket: Connection,
  scope: Scope,
  handler: () => unknown,
): Promise<boolean> {
  const failure = await failureOf(socket, scope, handler)
  try {
    await scope.close()
    if (failure?.expected === false) report(scope, failure.error)
    return failure === undefined
  } catch (error) {
    if (!socket.says(error)) report(scope, error)
    return false
  }
}

interface Failure {
  /** The handler was told to stop, or its socket was closed: that it fails then is no news. */
  readonly expected: boolean
  readonly error: unknown
}

/** What `handler` failed with, if it did. */
async function failureOf(
  socket: Connection,
  scope: Scope,
  handler: () => unknown,
): Promise<Failure | undefined> {
  const late = (error: unknown): void => report(scope, error)
  const handle = async (): Promise<unknown> => await scope.enter(handler)
  try {
    await abandonable(handle(), scope, abandonAfter, late)
    scope.complete()
    return undefined
  } catch (error) {
    const expected = isInterrupted(scope) ? !isAbandoned(primaryError(error)) : socket.says(error)
    scope.fail(error)
    return { expected, error }
  }
}
