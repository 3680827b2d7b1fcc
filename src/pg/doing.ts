/** What a connection is doing, for whoever looks at its lease. */
import type { Doing } from '../core/watching/activity.ts'
import type { Session } from './session.ts'

const idle = { I: 'idle', T: 'idle in transaction', E: 'failed transaction' } as const

export function doing({ activity, status, changed }: Session): Doing {
  // Between an error and the status that follows it, the statement is not over.
  const busy = activity === 'lost' ? 'lost' : 'running'
  const state = activity === 'quiet' ? idle[status ?? 'I'] : busy
  return { state, since: changed }
}
