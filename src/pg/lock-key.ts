/** The key of an advisory lock: PostgreSQL knows numbers of 64 bits and nothing else. */
import { createHash } from 'node:crypto'

import { expected } from '../core/options.ts'

/**
 * The number as PostgreSQL reads it. For a text, the first 8 bytes of its SHA-256 (as UTF-8) as a signed number, the
 * highest byte first: in SQL, `('x' || left(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 16))::bit(64)::bigint`.
 * @throws {TypeError} for what is no such number
 */
export function lockNumber(key: unknown): string {
  if (typeof key === 'string') {
    return createHash('sha256').update(key, 'utf8').digest().readBigInt64BE(0).toString()
  }
  const whole = typeof key === 'bigint' || Number.isSafeInteger(key)
  // A safe integer, or a bigint already.
  if (whole && BigInt.asIntN(64, BigInt(key as number)) === BigInt(key as number)) {
    return String(key)
  }
  throw expected('the key of an advisory lock', 'a text, or a whole number of 64 bits', key)
}
