/** Requests that are under way while their app shuts down. */
import assert from 'node:assert/strict'
import type { App, Scope, ShutdownReport } from 'unwind'

export const never = new Promise<never>(() => {})
/** Longer than any test takes. */
export const long = 600_000

export interface Request {
  readonly scope: Scope
  readonly finish: () => void
  readonly running: Promise<unknown>
}

/** A request that runs until it is told to finish, or its signal aborts. */
export function request(app: App, options: { deaf?: boolean; name?: string } = {}): Request {
  const gate = Promise.withResolvers<void>()
  let opened: Scope | undefined
  const running = app.run({ name: options.name ?? 'slow' }, async (scope) => {
    opened = scope
    if (options.deaf !== true) {
      scope.signal.addEventListener('abort', () => gate.reject(scope.signal.reason))
    }
    await gate.promise
  })
  running.catch(() => {})
  assert.ok(opened !== undefined)
  return { scope: opened, finish: gate.resolve, running }
}

export function counts({ drained, aborted, stuck, errors }: ShutdownReport): number[] {
  return [drained, aborted, stuck.length, errors.length]
}
