/**
 * The open children of a scope, newest first: a list that runs through the children themselves, so that opening and
 * closing one costs the same however many there are, and a closed one leaves nothing behind.
 */
export interface Sibling<C> {
  older: C | undefined
  newer: C | undefined
}

export class Children<C extends Sibling<C>> {
  newest: C | undefined = undefined

  add(child: C): void {
    child.older = this.newest
    if (this.newest !== undefined) this.newest.newer = child
    this.newest = child
  }

  remove(child: C): void {
    if (child.newer === undefined) this.newest = child.older
    else child.newer.older = child.older
    if (child.older !== undefined) child.older.newer = child.newer
    child.newer = undefined
    child.older = undefined
  }

  /** A copy, because whoever is told something may close. */
  all(): C[] {
    const all: C[] = []
    for (let child = this.newest; child !== undefined; child = child.older) all.push(child)
    return all
  }
}
