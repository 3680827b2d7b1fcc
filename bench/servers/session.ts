/**
 * What every request acquires and releases, in all ways of doing so: an object that takes a turn to be there and a turn
 * to be gone, as a connection of a pool does.
 */
import { resource } from 'unwind'

export const counts = { acquired: 0, released: 0 }

export class Session {
  open = true
}

export async function acquire(): Promise<Session> {
  await Promise.resolve()
  counts.acquired += 1
  return new Session()
}

export async function release(session: Session): Promise<void> {
  await Promise.resolve()
  if (!session.open) throw new Error('Released twice.')
  session.open = false
  counts.released += 1
}

export const released = (): number => counts.released

export const session = resource({ name: 'session', acquire, release })
