/**
 * Who is recognised: whoever brings a token that the program printed gets a cookie for it, once. Only digests are kept
 * and compared, in a time that says nothing about them.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Tokens that were printed and not used. */
const mostTokens = 16

export class Pass {
  readonly #session = secret()
  readonly #sessionDigest = digest(this.#session)
  /** Oldest first. */
  #tokens: Buffer[] = []

  /** A new token, good for one exchange. */
  issue(): string {
    const token = secret()
    this.#tokens.push(digest(token))
    if (this.#tokens.length > mostTokens) this.#tokens.shift()
    return token
  }

  /** Whether `token` was issued, and not exchanged yet; from now on it is. */
  redeem(token: string): boolean {
    const given = digest(token)
    const left = this.#tokens.filter((one) => !timingSafeEqual(one, given))
    const known = left.length < this.#tokens.length
    this.#tokens = left
    return known
  }

  /** @param cookies the `Cookie` header */
  recognises(cookies: string | undefined, name: string): boolean {
    if (cookies === undefined) return false
    return cookies.split(';').some((pair) => {
      const at = pair.indexOf('=')
      if (pair.slice(0, at).trim() !== name) return false
      return timingSafeEqual(digest(pair.slice(at + 1).trim()), this.#sessionDigest)
    })
  }

  /** The value of a `Set-Cookie` header. It ends with the browser. */
  cookie(name: string, path: string, secure: boolean): string {
    const flags = `Path=${path}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
    return `${name}=${this.#session}; ${flags}`
  }
}

/** Browsers keep the cookies of all ports of a host together: each port has a name of its own. */
export function cookieName(host: string | undefined): string {
  return `unwind_inspector_${/:(\d+)$/.exec(host ?? '')?.[1] ?? 'default'}`
}

function secret(): string {
  return randomBytes(32).toString('base64url')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
