/**
 * What a scope tells to those who listen, and notes for those who watch. Called only where somebody does, so that a
 * scope that nobody looks at pays for nothing but the question.
 */
import { elapsed, roughNow } from '../deadline.ts'
import { detection } from './detection.ts'
import {
  acquired,
  identityOf,
  released,
  scopeClosed,
  scopeIncomplete,
  scopeOpened,
  timedOut,
  usedAfterClose,
  type ResourceAcquired,
} from './events.ts'
import { isSuspected, reportLeak, reportReturn, scopeItself } from './leaks.ts'
import { forgetNote, note, noteOf, watchGarbage } from './notes.ts'
import type { ScopeNode } from '../scope.ts'
import { rootOf } from '../tree.ts'
import type { Lifetime, Scope } from '../types.ts'

/** Something that a scope holds. */
export interface Entry {
  readonly name: string
  readonly since: number
  /** What of it was there before it was acquired: the acquisition of a resource. */
  readonly source:
    { readonly definition: { readonly lifetime?: Lifetime }; readonly since?: number } | undefined
}

export function tellOpened(scope: ScopeNode): void {
  if (scopeOpened.hasSubscribers) {
    scopeOpened.publish({ ...identityOf(scope), app: rootOf(scope).id, parent: scope.parent?.id })
  }
  if (!detection.watching) return
  const made = note(scope, scopeItself, scope)
  // An app that holds nothing may be forgotten; what it holds is watched for itself.
  if (made !== undefined && scope.kind !== 'app') watchGarbage(scope, made)
}

export function tellClosed(scope: ScopeNode): void {
  forgetNote(scope)
  if (!scopeClosed.hasSubscribers) return
  const durationMs = elapsed(scope.openedAt, roughNow())
  scopeClosed.publish({
    ...identityOf(scope),
    app: rootOf(scope).id,
    outcome: scope.completion.status,
    durationMs,
  })
}

export function tellIncomplete(scope: Scope): void {
  if (scopeIncomplete.hasSubscribers) scopeIncomplete.publish(identityOf(scope))
}

export function tellUsedAfterClose(scope: Scope, call: string): void {
  if (usedAfterClose.hasSubscribers) usedAfterClose.publish({ ...identityOf(scope), call })
}

export function tellAcquired(scope: Scope, entry: Entry): void {
  if (acquired.hasSubscribers) acquired.publish(messageOf(scope, entry))
  if (!detection.watching) return
  // A resource was noted, or passed over, when it was asked for: there its caller could be seen.
  const { name, source } = entry
  const made = source?.since === undefined ? note(heldBy(entry), name, scope) : noteOf(source)
  if (made !== undefined) watchGarbage(scope, made)
}

/** @param begun when its release began, if anybody looked */
export function tellReleased(scope: Scope, entry: Entry, begun?: number): void {
  const now = roughNow()
  const begin = begun ?? now
  const heldMs = elapsed(entry.since, begin)
  if (reportReturn(entry, heldMs)) detection.followed -= 1
  forgetNote(heldBy(entry))
  if (!released.hasSubscribers) return
  released.publish({ ...messageOf(scope, entry), heldMs, releaseMs: elapsed(begin, now) })
}

export function tellTimeout(
  scope: Scope | undefined,
  resource: string,
  phase: 'acquire' | 'release',
  timeoutMs: number,
  pool?: string,
): void {
  if (!timedOut.hasSubscribers) return
  const from = pool === undefined ? undefined : { pool }
  timedOut.publish({ resource, scope: scope && identityOf(scope), phase, timeoutMs, ...from })
}

/** It is held for too long: said once. */
export function tellOverdue(scope: Scope, entry: Entry): void {
  if (isSuspected(entry)) return
  detection.followed += 1
  const { name, since } = entry
  const site = noteOf(heldBy(entry))?.site
  reportLeak('age', entry, { resource: name, scope, since, site })
}

/** Whose note it is: that of the acquisition, which began where its caller could be seen. */
function heldBy(entry: Entry): object {
  return entry.source ?? entry
}

function messageOf(scope: Scope, { name, since, source }: Entry): ResourceAcquired {
  return {
    resource: name,
    lifetime: source?.definition.lifetime ?? 'value',
    scope: identityOf(scope),
    waitMs: elapsed(source?.since ?? since, since),
  }
}
