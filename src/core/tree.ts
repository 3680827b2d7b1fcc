/**
 * The tree of scopes. The open children of one, newest first, are a list that runs through the scopes themselves, so that
 * opening and closing one costs the same however many there are, and a closed one leaves nothing behind. What is held
 * outside of scopes is such a list, too.
 */
import type { ScopeNode } from './scope.ts'
import type { Scope } from './types.ts'

/** Whoever has such a list. */
export interface Parent<T> {
  newestChild: T | undefined
}

interface Child<T> {
  older: T | undefined
  newer: T | undefined
}

export function addChild<T extends Child<T>>(parent: Parent<T>, child: T): void {
  const before = parent.newestChild
  child.older = before
  if (before !== undefined) before.newer = child
  parent.newestChild = child
}

export function removeChild<T extends Child<T>>(parent: Parent<T>, child: T): void {
  const { older, newer } = child
  if (newer !== undefined) newer.older = older
  // Else it is the newest, unless the parent gave them all up.
  else if (parent.newestChild === child) parent.newestChild = older
  if (older !== undefined) older.newer = newer
  child.older = undefined
  child.newer = undefined
}

/** A copy, because whoever is told something may close. */
export function childrenOf<T extends Child<T>>(parent: Parent<T>): T[] {
  const children: T[] = []
  for (let at = parent.newestChild; at !== undefined; at = at.older) children.push(at)
  return children
}

/**
 * `top` and all that is below it, parents before their children. By a list, because a chain of scopes may be longer than
 * the stack is deep.
 */
export function* downFrom<T>(
  top: T,
  below: (parent: T) => readonly T[],
): Generator<T, void, undefined> {
  const waiting = [top]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    yield at
    for (const child of below(at).toReversed()) waiting.push(child)
  }
}

/** A scope and those around it. */
export function upToRoot(scope: ScopeNode): ScopeNode[] {
  const scopes: ScopeNode[] = []
  for (let at: ScopeNode | undefined = scope; at !== undefined; at = at.parent) scopes.push(at)
  return scopes
}

/** The app that it lives in. */
export function rootOf(scope: ScopeNode): ScopeNode {
  let root = scope
  while (root.parent !== undefined) root = root.parent
  return root
}

/** The scope that owns what lives as long as a request: the nearest one of that kind; where there is none, the outermost below the app. An app has none. */
export function requestOf<S extends Scope & { readonly parent: S | undefined }>(
  scope: S,
): S | undefined {
  let outermost: S | undefined
  for (let at: S | undefined = scope; at !== undefined; at = at.parent) {
    if (at.kind === 'request') return at
    if (at.kind === 'scope') outermost = at
  }
  return outermost
}
