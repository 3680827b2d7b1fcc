/**
 * What is said about a leak: to the process once for each place, to channels and listeners each time. Where nobody knows
 * the place, the next acquisitions of that name record theirs.
 */
import { detection, type LeakOptions } from './detection.ts'
import { leaked } from './events.ts'
import { duration, reportUnthrown, title, type Named } from './misuse.ts'
import type { LeakReport } from './reports.ts'
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

const sites = new Map<string, LeakSite>()
const reports: LeakReport[] = []

export interface Found {
  readonly reason: LeakReport['reason']
  readonly resource: string
  readonly scope: Named | undefined
  readonly heldMs: number
  /** Where it was acquired, if that was recorded. */
  readonly site: string | undefined
}

export function reportLeak(found: Found): void {
  const usage = usageOf(found.resource)
  usage.leaked += 1
  const { scope, site: place = howToSee(found.resource) } = found
  const leak = { ...found, scope: scope?.name, site: place }
  if (found.site === undefined) escalate(usage)
  reports.push(leak)
  if (reports.length > latest) reports.shift()
  const site = siteOf(leak)
  site.count += 1
  if (site.count === 1) warn(found, place)
  leaked.publish(leak)
  for (const listener of detection.listeners()) tell(listener, leak)
}

/** A listener that throws must not keep a scope from closing. */
function tell(listener: LeakOptions, leak: LeakReport): void {
  try {
    listener.onLeak?.(leak)
  } catch (error) {
    reportUnthrown(undefined, error, undefined, 'onLeak', false)
  }
}

/** What was suspected has been released: a long use, and no leak. */
export function reportReturn(found: Found): void {
  const { reason, resource, site: place = howToSee(resource) } = found
  const site = sites.get(keyOf({ reason, resource, site: place }))
  // So many have leaked since that nobody knows of it any more.
  if (site === undefined) return
  site.returned += 1
  if (site.returned > 1) return
  say(`${subject(found)} was returned after all, after ${duration(found.heldMs)}.`, found.site)
}

/** The latest ones, newest first. */
export function latestLeaks(): LeakReport[] {
  return reports.toReversed()
}

export function leakSites(): LeakSite[] {
  return Array.from(sites.values(), (site) => ({ ...site }))
}

/** Record where the next acquisitions of this name are. */
function escalate(usage: Usage): void {
  if (usage.stacks === 0) detection.escalated += 1
  usage.stacks = escalation
  detection.update()
}

type Place = Pick<LeakSite, 'reason' | 'resource' | 'site'>

function keyOf({ reason, resource, site }: Place): string {
  return `${reason} ${resource} ${site}`
}

function siteOf({ reason, resource, site }: Place): LeakSite {
  const key = keyOf({ reason, resource, site })
  const known = sites.get(key)
  if (known !== undefined) return known
  const [oldest] = sites.size < remembered ? [] : sites.keys()
  if (oldest !== undefined) sites.delete(oldest)
  const made = { reason, resource, site, count: 0, returned: 0 }
  sites.set(key, made)
  return made
}

const whatHappened: Readonly<Record<LeakReport['reason'], (found: Found) => string>> = {
  age: (found) =>
    `Suspected leak: ${subject(found)} has been held for ${duration(found.heldMs)}. If that is right, nothing is wrong`,
  // It has one, which has closed.
  scope: (found) =>
    `Leak: "${found.resource}" is still held although its scope, ${title(found.scope as Named)}, has closed, ${duration(found.heldMs)} after it was acquired`,
  collected: (found) =>
    `Leak: ${subject(found)} became garbage before it was released, ${duration(found.heldMs)} after it was acquired or later`,
}

function warn(found: Found, site: string): void {
  say(
    `${whatHappened[found.reason](found)}. Whoever acquires it has to release it: \`await using\`, or hand it to a scope with use().`,
    site,
  )
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

function subject({ resource, scope }: Found): string {
  if (scope === undefined) return `"${resource}"`
  return resource === scopeItself ? title(scope) : `"${resource}" of ${title(scope)}`
}
