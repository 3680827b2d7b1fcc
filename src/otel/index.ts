/** `unwind/otel`: what an app holds, on the meter of whoever collects. OpenTelemetry is not needed to load this. */
import { allHeld } from '../core/watching/held.ts'
import { checkApp, checkOptions, flag } from '../core/options.ts'
import { downFrom } from '../core/tree.ts'
import type { App, ScopeSnapshot } from '../core/types.ts'
import { observeConnections } from './connections.ts'
import { Instruments } from './instruments.ts'
import { meterOf } from './meter.ts'

/**
 * Register instruments on `meter`, until the returned value is disposed.
 *
 * - `unwind.scope.open`: open scopes, by kind
 * - `unwind.scope.duration`: seconds that scopes were open, by kind and outcome
 * - `unwind.lease.held`: what is held, by name: in the app's scopes, and outside of them in the process
 * - `unwind.resource.wait_time`, `unwind.resource.use_time`: seconds, by name, of the process
 * - `unwind.resource.timeouts`: acquisitions and releases that took too long, by name and phase, of the process
 * - `unwind.leaks`: leaks of the process, by name and reason
 *
 * With `connectionMetrics`, also those of the semantic conventions 1.45 for the pools of the process:
 * `db.client.connection.count`, `.limit`, `.pending_requests`, `.timeouts`, `.wait_time`, `.create_time` and `.use_time`.
 * `@opentelemetry/instrumentation-pg` counts some of the same under the same names, so do not use both.
 *
 * Two apps need a meter each: on the same one the numbers of the second would replace those of the first. What is of the
 * process is then on both.
 *
 * @example
 * ```ts
 * app.use(metrics(app, opentelemetry.metrics.getMeter('shop'), { connectionMetrics: true }))
 * ```
 * @param options.connectionMetrics default `false`
 * @throws {TypeError} for what is no app, no meter, or an unknown option
 */
export function metrics(
  app: App,
  meter: object,
  options?: { connectionMetrics?: boolean },
): Disposable {
  checkApp('metrics()', app)
  checkOptions('metrics()', options, { connectionMetrics: flag })
  const instruments = new Instruments(meterOf(meter))
  try {
    observeScopes(instruments, app)
    observeResources(instruments, app)
    if (options?.connectionMetrics === true) observeConnections(instruments)
  } catch (error) {
    // The meter refused one: nothing of the others is left behind.
    instruments[Symbol.dispose]()
    throw error
  }
  return instruments
}

function observeScopes(instruments: Instruments, app: App): void {
  instruments.observe('unwind.scope.open', '{scope}', 'Scopes that are open.', (result) => {
    for (const { kind } of scopesIn(app.inspect())) result.observe(1, { 'unwind.scope.kind': kind })
  })
  const durations = instruments.histogram(
    'unwind.scope.duration',
    'The time from the opening of a scope until everything in it was released.',
  )
  instruments.on('unwind:scope:closed', ({ app: id, kind, outcome, durationMs }) => {
    if (id !== app.id) return
    const attributes = { 'unwind.scope.kind': kind, 'unwind.scope.outcome': outcome }
    durations.record(durationMs / 1_000, attributes)
  })
}

function observeResources(instruments: Instruments, app: App): void {
  instruments.observe('unwind.lease.held', '{lease}', 'What is held.', (result) => {
    const inScopes = scopesIn(app.inspect()).flatMap(({ resources }) => resources)
    for (const { name } of inScopes.filter(isHeld)) result.observe(1, named(name))
    for (const { resource } of allHeld()) result.observe(1, named(resource))
  })
  const waits = instruments.histogram('unwind.resource.wait_time', 'The time an acquisition took.')
  const uses = instruments.histogram(
    'unwind.resource.use_time',
    'The time from an acquisition until its release began.',
  )
  const timeouts = instruments.counter(
    'unwind.resource.timeouts',
    '{timeout}',
    'Acquisitions and releases that took too long.',
  )
  const leaks = instruments.counter('unwind.leaks', '{leak}', 'What was not given back.')
  instruments.on('unwind:resource:released', ({ resource, lifetime, waitMs, heldMs }) => {
    if (lifetime === 'value') return
    waits.record(waitMs / 1_000, named(resource))
    uses.record(heldMs / 1_000, named(resource))
  })
  instruments.on('unwind:resource:timeout', ({ resource, phase }) => {
    timeouts.add(1, { ...named(resource), 'unwind.phase': phase })
  })
  instruments.on('unwind:resource:leaked', ({ resource, reason }) => {
    leaks.add(1, { ...named(resource), 'unwind.leak.reason': reason })
  })
}

/** The app itself is no scope that somebody could forget. */
function scopesIn(app: ScopeSnapshot): ScopeSnapshot[] {
  return [...downFrom(app, ({ children }) => children)].slice(1)
}

function isHeld({ lifetime, state }: ScopeSnapshot['resources'][number]): boolean {
  return lifetime !== 'value' && state !== 'acquiring'
}

function named(resource: string): Record<string, string> {
  return { 'unwind.resource.name': resource }
}
