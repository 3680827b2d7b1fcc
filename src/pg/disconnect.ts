/** The end of a connection, with a bound: a network that fell silent never tells that a socket is closed. */
import { ignore } from '../core/dispose.ts'
import { within } from '../core/waiting.ts'
import type { DriverClient } from './driver.ts'

/** Milliseconds for the server to close its end. */
const patience = 1_000

/**
 * Close the connection of `client`. Resolves when its socket is closed.
 * @param inOrder let the server end its part first: until then it counts the connection
 */
export async function disconnect(
  client: DriverClient,
  ended: Promise<void>,
  inOrder: boolean,
): Promise<void> {
  // The native client has none.
  const stream = client.connection?.stream
  if (stream === undefined) return
  if (inOrder) client.end?.(ignore)
  if (!inOrder || !(await within(patience, ended))) stream.destroy()
  await within(patience, ended)
}
