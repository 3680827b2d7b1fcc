/**
 * The way down of an app: stop accepting, let finish, abort, and only then release what everything stands on.
 */
import { abortChildren, announceDrain } from './abort.ts'
import { childrenOf } from './children.ts'
import { after } from './deadline.ts'
import { ShutdownError } from './errors.ts'
import { abortSignal, milliseconds, type Rule } from './options.ts'
import type { ScopeNode } from './scope.ts'
import type { App, ScopeSnapshot, ShutdownReport } from './types.ts'

export interface ShutdownOptions {
  lameDuck?: number
  grace?: number
  abortGrace?: number
  signal?: AbortSignal
}

export const shutdownRules: Readonly<Record<keyof ShutdownOptions, Rule>> = {
  lameDuck: milliseconds,
  grace: milliseconds,
  abortGrace: milliseconds,
  signal: abortSignal,
}

/** The apps that have announced their end and go on accepting, and who wants to know when they do not any more. */
const lameDucks = new WeakMap<object, Set<() => void>>()

/**
 * For servers: call `close` once, when the app takes no new work any more. That is when its shutdown or its closing
 * begins, or at the end of its lame duck. Call the result to be left alone.
 */
export function whenDoorsClose(app: App, close: () => void): () => void {
  const { draining } = app
  const begin = (): void => {
    const waiting = lameDucks.get(app)
    if (waiting === undefined) close()
    else waiting.add(close)
  }
  draining.addEventListener('abort', begin, { once: true })
  if (draining.aborted) begin()
  return () => {
    draining.removeEventListener('abort', begin)
    lameDucks.get(app)?.delete(close)
  }
}

function closeDoors(app: ScopeNode): void {
  const waiting = lameDucks.get(app) ?? []
  lameDucks.delete(app)
  for (const close of waiting) close()
}

/** Never rejects: what failed is in the report. */
export async function shutDown(
  app: ScopeNode,
  { lameDuck = 0, grace = 10_000, abortGrace = 1_000, signal }: ShutdownOptions,
): Promise<ShutdownReport> {
  const reason = new ShutdownError(`The app "${app.name}" shuts down.`)
  let drained = 0
  let aborted = 0
  app.whenChildCloses((child) => {
    if (child.cancellation?.reason instanceof ShutdownError) aborted += 1
    else drained += 1
  })
  if (app.state === 'open') {
    if (lameDuck > 0) lameDucks.set(app, new Set())
    announceDrain(app, reason)
    if (lameDuck > 0) await waitAtMost(lameDuck, signal, () => {})
  }
  // Somebody closed it, before or meanwhile.
  const closed = app.state !== 'open'
  if (!closed) app.state = 'draining'
  closeDoors(app)
  if (closed) {
    await app.ended()
    return { drained, aborted, stuck: [], errors: [] }
  }
  await untilEmpty(app, grace, signal)
  abortChildren(app, reason)
  app.tasks?.stop(reason)
  await untilEmpty(app, abortGrace, undefined)
  const stuck = abandon(app)
  const errors = await release(app)
  return { drained, aborted: aborted + stuck.length, stuck, errors }
}

/** Resolves when nothing runs under the app any more, after `ms` milliseconds, or when `signal` aborts. */
function untilEmpty(app: ScopeNode, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return waitAtMost(ms, signal, (done) => {
    const check = (): void => {
      if (app.newestChild === undefined && (app.tasks?.size ?? 0) === 0) done()
    }
    app.whenChildCloses(check)
    app.tasks?.settle().then(check, check)
    check()
  })
}

/** Their resources stay with them; the app does not wait any longer. */
function abandon(app: ScopeNode): ScopeSnapshot[] {
  app.tasks = undefined
  const stuck = childrenOf(app)
  app.newestChild = undefined
  return stuck.map((scope) => scope.inspect())
}

async function release(app: ScopeNode): Promise<unknown[]> {
  try {
    await app.conclude()
    return []
  } catch (error) {
    return [error]
  }
}

function waitAtMost(
  ms: number,
  signal: AbortSignal | undefined,
  begin: (done: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const stop = after(ms, done)
    signal?.addEventListener('abort', done, { once: true })
    begin(done)
    if (signal?.aborted === true) done()

    function done(): void {
      stop()
      signal?.removeEventListener('abort', done)
      resolve()
    }
  })
}
