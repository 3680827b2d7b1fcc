/**
 * The way down of an app: stop accepting, let finish, abort, and only then release what everything stands on.
 */
import { abortBelow, announceDrain } from './abort.ts'
import { every, whenAborted } from './deadline.ts'
import { conclude } from './drain.ts'
import { holds } from './errors/attempt.ts'
import { AbandonedError, ShutdownError } from './errors/errors.ts'
import { abortSignal, milliseconds, type Rule } from './options.ts'
import type { ShutdownOptions } from './reports.ts'
import type { ScopeNode } from './scope.ts'
import { childrenOf, downFrom, removeChild } from './tree.ts'
import { runningIn } from './tasks.ts'
import type { App, ScopeSnapshot, ShutdownReport } from './types.ts'
import { whenEnded } from './unwinding.ts'
import { within } from './waiting.ts'

export const shutdownRules: Readonly<Record<keyof ShutdownOptions, Rule>> = {
  lameDuck: milliseconds,
  grace: milliseconds,
  abortGrace: milliseconds,
  signal: abortSignal,
}

/** Where new work comes in. */
interface Door {
  /** From now on nobody comes in. Its promise resolves when those inside have left. */
  close(): Promise<unknown> | void
  /** All graces are over: send those out who are still inside. */
  clear?(): void
}

/** Those of the apps that have announced their end and go on accepting. */
const doors = new WeakMap<object, Set<Door>>()

/**
 * For servers: close `door` once, when the app takes no new work any more. That is when it closes, or in its shutdown
 * at the end of its lame duck; there, those inside are waited for as running work is. Call the result to be left alone.
 */
export function whenDoorsClose(app: App, door: Door): () => void {
  const { draining } = app
  const begin = (): void => {
    const open = doors.get(app)
    if (open === undefined) void door.close()
    else open.add(door)
  }
  const stop = whenAborted(draining, begin)
  return () => {
    stop()
    doors.get(app)?.delete(door)
  }
}

function takeDoors(app: ScopeNode): Door[] {
  const open = [...(doors.get(app) ?? [])]
  doors.delete(app)
  return open
}

/** Never rejects: what failed is in the report. */
export async function shutDown(
  app: ScopeNode,
  { lameDuck = 0, grace = 10_000, abortGrace = 1_000, signal }: ShutdownOptions,
): Promise<ShutdownReport> {
  const reason = new ShutdownError(`The app "${app.name}" shuts down.`)
  let drained = 0
  let aborted = 0
  app.extended.whenChildCloses = (child) => {
    // A reason may refuse to be looked at.
    if (holds(() => child.cancellation?.cause?.reason instanceof ShutdownError)) aborted += 1
    else drained += 1
  }
  if (app.state === 'open') {
    doors.set(app, new Set())
    announceDrain(app, reason)
    if (lameDuck > 0) await within(lameDuck, closingOf(app), signal)
  }
  // Somebody closed it, before or meanwhile.
  const closed = app.state !== 'open'
  if (!closed) app.state = 'draining'
  const open = takeDoors(app)
  const left = Promise.allSettled(open.map(async (door) => door.close()))
  if (closed) {
    const { stuck, errors } = await endClosed(app, abortGrace, reason)
    return { drained, aborted: aborted + stuck.length, stuck, errors }
  }
  await within(grace, empty(app, left), signal)
  // Servers still open scopes, for requests on connections that were there before.
  abortBelow(app, reason)
  app.extras?.tasks?.stop(reason)
  await within(abortGrace, empty(app, left))
  const tasks = tasksLeft(app, abortGrace, reason)
  const stuck = abandon(app)
  // What is closed from here on is counted among those.
  app.extended.whenChildCloses = undefined
  for (const door of open) door.clear?.()
  const errors = await release(app, abortGrace, conclude)
  return { drained, aborted: aborted + stuck.length, stuck, errors: [...tasks, ...errors] }
}

/** Resolves when somebody closes it, which whoever heard of the shutdown may have done. */
function closingOf(app: ScopeNode): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (app.state === 'open') app.extended.whenClosing = resolve
  else resolve()
  return promise
}

/** `close()` has aborted what runs, and waits for that as long as it takes: a shutdown does not. */
async function endClosed(
  app: ScopeNode,
  abortGrace: number,
  reason: ShutdownError,
): Promise<Pick<ShutdownReport, 'stuck' | 'errors'>> {
  await within(abortGrace, empty(app))
  const stuck = childrenOf(app).map((scope) => scope.inspect())
  const tasks = tasksLeft(app, abortGrace, reason)
  const goesOn = stuck.length > 0 || tasks.length > 0
  return { stuck, errors: goesOn ? tasks : await release(app, abortGrace, whenEnded) }
}

/** Those of the app itself have no scope to be left with, so that is an error. */
function tasksLeft(app: ScopeNode, ms: number, cause: ShutdownError): AbandonedError[] {
  const tasks = runningIn(app)
  if (tasks === undefined) return []
  const error = new AbandonedError(
    `Left behind: ${tasks.size} of the tasks of the app "${app.name}", which went on for ${ms} ms after their abort. Pass their signal to what they wait for.`,
    { cause },
  )
  return [error]
}

/**
 * Resolves when nothing runs under the app any more.
 * @param left resolves when nobody is behind a door any more
 */
async function empty(app: ScopeNode, left?: Promise<unknown>): Promise<void> {
  await Promise.all([left, idle(app)])
  // Those behind the doors may have begun something meanwhile.
  await idle(app)
}

async function idle(app: ScopeNode): Promise<void> {
  for (;;) {
    const [tasks, child] = [runningIn(app), app.newestChild]
    if (tasks !== undefined) await tasks.settle()
    else if (child !== undefined) await whenEnded(child)
    else return
  }
}

/**
 * All that are still open. Where something goes on in one, its resources stay with it, and the app does not wait any
 * longer; one that was only left open is closed with the app.
 */
function abandon(app: ScopeNode): ScopeSnapshot[] {
  app.extras?.tasks?.abandon()
  const stuck = childrenOf(app)
  const snapshots = stuck.map((scope) => scope.inspect())
  for (const scope of stuck) {
    if ([...downFrom(scope, childrenOf)].some(isBusy)) removeChild(app, scope)
  }
  return snapshots
}

/** Whether closing it would wait for more than its releases and its children. */
function isBusy(scope: ScopeNode): boolean {
  const { state, running, extended, holdings, settings } = scope
  if (state !== 'open' || running || settings.serving) return true
  if (holdings !== undefined && holdings.onTheirWay().length > 0) return true
  return runningIn(scope) !== undefined || extended.streams > 0
}

/** What is still being acquired for the app itself is waited for as long as what was aborted. */
async function release(
  app: ScopeNode,
  abortGrace: number,
  close: (app: ScopeNode) => Promise<void>,
): Promise<unknown[]> {
  const errors: unknown[] = []
  // Not once: what is released meanwhile below the app may ask for more.
  const stop = every(abortGrace, () => {
    const arriving = app.holdings?.onTheirWay() ?? []
    // The release of what comes late has a bound of its own.
    for (const instance of arriving.filter(({ state }) => state === 'acquiring'))
      errors.push(instance.expire(abortGrace, 'abortGrace'))
  })
  try {
    await close(app)
  } catch (error) {
    errors.push(error)
  } finally {
    stop()
  }
  return errors
}
