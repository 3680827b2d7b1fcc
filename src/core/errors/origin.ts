/**
 * Which release an error came from: the name is kept beside the error, because the error is somebody else's. The first
 * one counts: whoever passes it on did not make it.
 */

const origins = new WeakMap<object, string>()

/** @param release the name of the resource whose release threw `error` */
export function rememberOrigin(error: unknown, release: string): void {
  if (typeof error === 'object' && error !== null && !origins.has(error)) {
    origins.set(error, release)
  }
}

/** The name of the resource whose release threw `error`, where a scope of this package ran it. */
export function originOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? origins.get(error) : undefined
}
