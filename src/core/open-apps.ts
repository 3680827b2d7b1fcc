/**
 * The apps that are open, and through them everything that scopes hold: nothing is recorded where something is acquired,
 * it is found by walking down the scopes. An app that is forgotten is not kept by this.
 */
import { detection } from './detection.ts'
import { entriesOf } from './finalizers.ts'
import { Instance } from './instance.ts'
import type { ScopeNode } from './scope.ts'
import { sweepWith } from './sweeping.ts'
import { tellOpened, tellOverdue } from './telling.ts'
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
  const before = now - detection.threshold
  for (const app of openApps()) sweepBelow(app, before)
  return apps.size > 0
}

/** A scope that is younger than the threshold holds nothing that is older, and neither do those below it. */
function sweepBelow(parent: ScopeNode, before: number): void {
  for (let at = parent.newestChild; at !== undefined; at = at.older) {
    if (at.openedAt >= before) continue
    sweepScope(at, before)
    sweepBelow(at, before)
  }
}

/** Resources only: what was given to `use` may live as long as the socket that the scope serves. */
function sweepScope(scope: ScopeNode, before: number): void {
  for (const { finalizer, releasing } of entriesOf(scope)) {
    const { traits, since } = finalizer
    const isOverdue = !releasing && traits instanceof Instance && since < before
    if (isOverdue) tellOverdue(scope, finalizer)
  }
}
