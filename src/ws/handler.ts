/**
 * One handler in its scope, to its end: the scope closes with what the handler came to, and nothing is thrown.
 */
import { isInterrupted, report } from '../core/app.ts'
import { isEcho, primaryError } from '../core/dispose.ts'
import { UnwindError } from '../core/errors/errors.ts'
import type { Scope } from '../core/types.ts'
import { abandonable } from '../core/waiting.ts'
import { SocketClosedError } from './errors.ts'
import type { Socket } from './socket.ts'

/** Milliseconds a handler may go on after its abort, before its resources are destroyed. As for requests. */
export const abandonAfter = 5_000

/** Whether `handler` fulfilled and everything was released. What nobody expected goes to the `onError` of the scope. */
export async function settled(
  socket: Socket,
  scope: Scope,
  handler: () => unknown,
): Promise<boolean> {
  const failure = await failureOf(socket, scope, handler)
  try {
    await scope.close()
    if (failure?.expected === false) report(scope, failure.error)
    return failure === undefined
  } catch (error) {
    if (!isOf(socket, error)) report(scope, error)
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
  socket: Socket,
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
    const expected = isInterrupted(scope) ? !isAbandoned(error) : isOf(socket, error)
    scope.fail(error)
    return { expected, error }
  }
}

/** The socket was closed, which was sent to or whose signal was waited with. */
function isOf({ signal }: Socket, error: unknown): boolean {
  return error instanceof SocketClosedError || (signal.aborted && isEcho(error, signal.reason))
}

function isAbandoned(error: unknown): boolean {
  const primary = primaryError(error)
  return primary instanceof UnwindError && primary.code === 'ERR_ABANDONED'
}
