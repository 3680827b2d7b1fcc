/** Looking at what others threw: a getter, a proxy or a custom inspection can throw in its turn, and must stop nothing. */

/** What `look` gives, or `undefined` where it throws. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/** A value by shape, or by class: one that cannot be looked at is none. */
export function holds(condition: () => boolean): boolean {
  return attempt(condition) === true
}
