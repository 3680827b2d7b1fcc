/**
 * The apps that are open, and through them everything that scopes hold: nothing is recorded where something is acquired,
 * it is found by walking down the scopes. An app that is forgotten is not kept by this.
 */
import { elapsed } from './deadline.ts'
import { detection } from './detection.ts'
import { identityOf } from './events.ts'
import { entriesOf, type Finalizer } from './finalizers.ts'
import { Instance } from './instance.ts'
import { reportLeak } from './leaks.ts'
import { noteOf } from './notes.ts'
import type { ScopeNode } from './scope.ts'
import { sweepWith } from './sweeping.ts'
import { heldBy, isSuspected, suspect, tellOpened } from './telling.ts'
import { childrenOf } from './tree.ts'

const apps = new Map<ScopeNode['id'], WeakRef<ScopeNode>>()

export function appOpened(app: ScopeNode): void {
  apps.set(app.id, new WeakRef(app))
  sweepWith(sweep)
  tellOpened(app)
}

export function appClosed(app: ScopeNode): void {
  apps.delete(app.id)
}

export function openApps(): ScopeNode[] {
  const open: ScopeNode[] = []
  for (const [id, reference] of apps) {
    const app = reference.deref()
    if (app === undefined) apps.delete(id)
    else open.push(app)
  }
  return open
}

/** Every scope below `scope` and itself, parents first. */
export function* scopesIn(scope: ScopeNode): Generator<ScopeNode, void, undefined> {
  yield scope
  for (const child of childrenOf(scope)) yield* scopesIn(child)
}

function sweep(now: number): boolean {
  const { threshold } = detection
  for (const app of openApps()) sweepBelow(app, now - threshold, now)
  return apps.size > 0
}

/** A scope that is younger than the threshold holds nothing that is older, and neither do those below it. */
function sweepBelow(parent: ScopeNode, before: number, now: number): void {
  for (let at = parent.newestChild; at !== undefined; at = at.older) {
    if (at.openedAt >= before) continue
    sweepScope(at, now)
    sweepBelow(at, before, now)
  }
}

/** Resources only: what was given to `use` may live as long as the socket that the scope serves. */
function sweepScope(scope: ScopeNode, now: number): void {
  for (const { finalizer, releasing } of entriesOf(scope)) {
    if (!releasing && finalizer.traits instanceof Instance) sweepEntry(scope, finalizer, now)
  }
}

function sweepEntry(scope: ScopeNode, entry: Finalizer, now: number): void {
  const heldMs = elapsed(entry.since, now)
  if (heldMs <= detection.threshold || isSuspected(entry)) return
  const { site } = noteOf(heldBy(entry)) ?? {}
  const found = {
    reason: 'age' as const,
    resource: entry.name,
    scope: identityOf(scope),
    heldMs,
    site,
  }
  suspect(entry, found)
  reportLeak(found)
}
