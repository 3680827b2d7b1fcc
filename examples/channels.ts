/** docs/observability.md: a log of slow requests, and of what they waited for. */
import { setTimeout as pause } from 'node:timers/promises'
// #region slow
import { subscribe } from 'node:diagnostics_channel'
import type { Channels } from 'unwind'

const waits = new Map<string, string[]>()

subscribe('unwind:resource:released', (message) => {
  const { resource: name, scope, waitMs } = message as Channels['unwind:resource:released']
  if (scope === undefined || waitMs < 20) return
  waits.set(scope.id, [...(waits.get(scope.id) ?? []), name])
})
subscribe('unwind:scope:closed', (message) => {
  const { id, kind, name, durationMs, outcome } = message as Channels['unwind:scope:closed']
  if (kind === 'request' && durationMs > 20) console.log(name, outcome, waits.get(id))
  waits.delete(id)
})
// #endregion
import { createApp, resource } from 'unwind'

const slow = resource({ name: 'report.lock', acquire: () => pause(30), release: () => {} })
const app = createApp({ name: 'shop' })
await app.run({ name: 'GET /report' }, (request) => request.get(slow))
await app.close()
