/**
 * The apps that are open, and through them everything that scopes hold: nothing is recorded where something is acquired,
 * it is found by walking down the scopes. An app that is forgotten is not kept by this.
 */
import { detection } from './detection.ts'
import { entriesOf } from '../finalizers.ts'
import type { ScopeNode } from '../scope.ts'
import { sweepWith } from './sweeping.ts'
import { tellOpened, tellOverdue } from './telling.ts'
import { childrenOf, downFrom } from '../tree.ts'

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

function sweep(now: number): boolean {
  const before = now - detection.threshold
  for (const app of openApps()) sweepBelow(app, before)
  return apps.size > 0
}

/** A scope that is younger than the threshold holds nothing that is older, and neither do those below it. */
function sweepBelow(app: ScopeNode, before: number): void {
  const old = (parent: ScopeNode): ScopeNode[] =>
    childrenOf(parent).filter(({ openedAt }) => openedAt < before)
  for (const scope of downFrom(app, old)) if (scope !== app) sweepScope(scope, before)
}

/** Resources only: what was given to `use` may live as long as the socket that the scope serves. */
function sweepScope(scope: ScopeNode, before: number): void {
  for (const { finalizer, releasing } of entriesOf(scope)) {
    const isResource = finalizer.traits?.lifetime !== undefined
    if (isResource && !releasing && finalizer.since < before) tellOverdue(scope, finalizer)
  }
}
