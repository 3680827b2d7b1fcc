/**
 * A set whose members know their neighbours, for the leases of a pool and those who wait for one: joining and leaving it
 * costs less than a hash of their identity.
 */
export interface Link<T> {
  /** For the chain alone. */
  next: T | undefined
  /** For the chain alone. */
  previous: T | undefined
}

export class Chain<T extends Link<T>> {
  size = 0
  #first: T | undefined = undefined

  /** @param member in no chain */
  add(member: T): void {
    const first = this.#first
    if (first !== undefined) first.previous = member
    member.next = first
    this.#first = member
    this.size += 1
  }

  /** Where it is not a member, nothing happens. */
  remove(member: T): void {
    const { next, previous } = member
    if (previous === undefined && this.#first !== member) return
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    member.next = undefined
    member.previous = undefined
    this.size -= 1
  }

  /** A copy: who is visited may leave. */
  toArray(): T[] {
    const members: T[] = []
    for (let at = this.#first; at !== undefined; at = at.next) members.push(at)
    return members
  }
}
