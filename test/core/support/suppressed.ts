/** A SuppressedError by its shape: Node.js 22 has no such class, and lowered code makes one of its own. */
export interface Suppressed extends Error {
  readonly error: unknown
  readonly suppressed: unknown
}

export function isSuppressed(error: unknown): error is Suppressed {
  return error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error
}
