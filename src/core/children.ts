/**
 * The open children of a scope, newest first: a list that runs through the scopes themselves, so that opening and closing
 * one costs the same however many there are, and a closed one leaves nothing behind.
 */
export interface Family<S> {
  newestChild: S | undefined
  older: S | undefined
  newer: S | undefined
}

export function addChild<S extends Family<S>>(parent: S, child: S): void {
  const before = parent.newestChild
  child.older = before
  if (before !== undefined) before.newer = child
  parent.newestChild = child
}

export function removeChild<S extends Family<S>>(parent: S, child: S): void {
  const { older, newer } = child
  if (newer !== undefined) newer.older = older
  // Else it is the newest, unless the parent gave them all up.
  else if (parent.newestChild === child) parent.newestChild = older
  if (older !== undefined) older.newer = newer
  child.older = undefined
  child.newer = undefined
}

/** A copy, because whoever is told something may close. */
export function childrenOf<S extends Family<S>>(parent: S): S[] {
  const children: S[] = []
  for (let at = parent.newestChild; at !== undefined; at = at.older) children.push(at)
  return children
}
