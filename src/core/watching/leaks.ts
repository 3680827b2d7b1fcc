/**
 * What is said about a leak: to the process once for each place, to channels and listeners each time. Where nobody knows
 * the place, the next acquisitions of that name record theirs.
 */
import { elapsed, roughNow } from '../deadline.ts'
import { detection, type LeakOptions } from './detection.ts'
import { leaked } from './events.ts'
import { callListener, duration, title, warnUnthrown, type Named } from '../misuse.ts'
import type { LeakReport } from '../reports.ts'
import { usageOf, type Usage } from './usage.ts'

/** Places that are remembered, and the latest leaks. */
const remembered = 1_000
const latest = 100
/** Acquisitions that record where they are, after a leak of which nobody knows. */
const escalation = 100

/** What a scope is called that was forgotten itself. */
export const scopeItself = 'scope'

/** The leaks of one place. */
export interface LeakSite extends Pick<LeakReport, 'reason' | 'resource' | 'site'> {
  count: number
  /** How many of them came back after all. */
  returned: number
}

const places = new Map<string, LeakSite>()
const reports: LeakReport[] = []

/** What was told of something that may be released after all. */
interface Told {
  readonly who: string
  /** Of its place. */
  readonly key: string
  readonly site: string | undefined
}

const told = new WeakMap<object, Told>()

export interface Acquired {
  readonly resource: string
  readonly scope: Named | undefined
  /** When, on the clock of `roughNow`. */
  readonly since: number
  /** Where, if that was recorded. */
  readonly site: string | undefined
}

/** @param held what `reportReturn` is called with, if it is released after all */
export function reportLeak(reason: LeakReport['reason'], held: object, acquired: Acquired): void {
  const { resource, scope, since, site } = acquired
  if (site === undefined) escalate(usageOf(resource))
  const heldMs = elapsed(since, roughNow())
  const leak = { reason, resource, scope: scope?.name, heldMs, site: site ?? howToSee(resource) }
  reports.push(leak)
  if (reports.length > latest) reports.shift()
  const key = `${reason} ${resource} ${leak.site}`
  const place = placeOf(key, leak)
  const who = subject(resource, scope)
  // Before anybody is told, who may release it at once.
  told.set(held, { who, key, site })
  place.count += 1
  if (place.count === 1) warn(leak, who, scope)
  leaked.publish(leak)
  for (const listener of detection.listeners()) tell(listener, leak)
}

/** Whether somebody was told of it. */
export function isSuspected(held: object): boolean {
  return told.has(held)
}

/** A listener that throws must not keep a scope from closing. */
function tell(listener: LeakOptions, leak: LeakReport): void {
  callListener(
    () => listener.onLeak?.(leak),
    (error) => warnUnthrown(error, 'onLeak'),
  )
}

/** It is released: if it was suspected, that was a long use, and no leak. @returns whether it was */
export function reportReturn(held: object, heldMs: number): boolean {
  const known = told.get(held)
  if (known === undefined) return false
  told.delete(held)
  const { who, key, site } = known
  const place = places.get(key)
  // So many have leaked since that nobody knows of it any more.
  if (place === undefined) return true
  place.returned += 1
  if (place.returned === 1) say(`${who} was returned after all, after ${duration(heldMs)}.`, site)
  return true
}

/** The latest ones, newest first. */
export function latestLeaks(): LeakReport[] {
  return reports.toReversed()
}

export function leakSites(): LeakSite[] {
  return Array.from(places.values(), (site) => ({ ...site }))
}

/** Record where the next acquisitions of this name are. */
function escalate(usage: Usage): void {
  if (usage.stacks === 0) detection.escalated += 1
  usage.stacks = escalation
  detection.update()
}

function placeOf(key: string, { reason, resource, site }: LeakReport): LeakSite {
  const known = places.get(key)
  if (known !== undefined) return known
  const [oldest] = places.size < remembered ? [] : places.keys()
  if (oldest !== undefined) places.delete(oldest)
  const made = { reason, resource, site, count: 0, returned: 0 }
  places.set(key, made)
  return made
}

function warn(leak: LeakReport, who: string, scope: Named | undefined): void {
  say(
    `${whatHappened(leak, who, scope)}. Whoever acquires it has to release it: \`await using\`, or hand it to a scope with use().`,
    leak.site,
  )
}

function whatHappened(
  { reason, resource, heldMs }: LeakReport,
  who: string,
  scope: Named | undefined,
): string {
  const time = duration(heldMs)
  if (reason === 'age') {
    return `Suspected leak: ${who} has been held for ${time}. If that is right, nothing is wrong`
  }
  if (reason === 'collected') {
    return `Leak: ${who} became garbage before it was released, ${time} after it was acquired or later`
  }
  // It has one, which has closed.
  return `Leak: "${resource}" is still held although its scope, ${title(scope as Named)}, has closed, ${time} after it was acquired`
}

function say(message: string, site: string | undefined): void {
  process.emitWarning(message, {
    type: 'UnwindWarning',
    code: 'UNWIND_LEAK',
    ...(site !== undefined && { detail: `Acquired ${site}` }),
  })
}

function howToSee(resource: string): string {
  return `at an unknown place: the next ${escalation} acquisitions of "${resource}" record theirs, and UNWIND_LEAKS=full records all`
}

function subject(resource: string, scope: Named | undefined): string {
  if (scope === undefined) return `"${resource}"`
  return resource === scopeItself ? title(scope) : `"${resource}" of ${title(scope)}`
}
