/**
 * A handle that is dead after its release. `Held` is the plain one; drivers build their own on the same rule: the
 * reference is `#private`, cut before the release begins, and a use after that names what was used.
 */
import { DisposedError } from './errors.ts'

/**
 * What a use after release throws.
 * @param what the handle in words, such as `The lease of the pool "orders"`
 * @param cause the ScopeClosedError, where a scope released it
 */
export function disposedError(what: string, cause?: unknown): DisposedError {
  return new DisposedError(
    `${what} was used after its release. Use it inside the block or scope that holds it, and await everything it started there.`,
    cause === undefined ? undefined : { cause },
  )
}
