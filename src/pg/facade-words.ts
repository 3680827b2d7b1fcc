/** The statements with which a query builder begins and ends transactions, as far as their text shows it. */
import { expected } from '../core/options.ts'
import type { PgTransactionOptions } from './types.ts'

export type Word = 'begin' | 'commit' | 'rollback'

const words: readonly (readonly [Word, RegExp])[] = [
  ['begin', /^\s*(?:begin(?:\s+(?:work|transaction))?|start\s+transaction)\b[^;]*;?\s*$/i],
  ['commit', /^\s*(?:commit|end)(?:\s+(?:work|transaction))?\s*;?\s*$/i],
  ['rollback', /^\s*(?:rollback|abort)(?:\s+(?:work|transaction))?\s*;?\s*$/i],
]

export function wordOf(text: string): Word | undefined {
  // Most statements are longer than the longest of these, and none of those is one.
  if (text.length > 120) return undefined
  return words.find(([, pattern]) => pattern.test(text))?.[0]
}

const isolations: Readonly<Record<string, PgTransactionOptions['isolation']>> = {
  // To PostgreSQL the two are the same.
  'read uncommitted': 'read committed',
  'read committed': 'read committed',
  'repeatable read': 'repeatable read',
  serializable: 'serializable',
}

/**
 * What a BEGIN asks for.
 * @throws {TypeError} for an isolation level that there is not
 */
export function beginOptions(text: string): PgTransactionOptions {
  const options: PgTransactionOptions = {}
  const level = /isolation\s+level\s+(\w+(?:\s+(?:un)?committed|\s+read)?)/i.exec(text)?.[1]
  if (level !== undefined) {
    const isolation = isolations[level.toLowerCase().replaceAll(/\s+/g, ' ')]
    if (isolation === undefined) {
      throw expected('the isolation level', Object.keys(isolations).join(' or '), level)
    }
    options.isolation = isolation
  }
  const access = /\bread\s+(only|write)\b/i.exec(text)?.[1]
  if (access !== undefined) options.readOnly = access.toLowerCase() === 'only'
  const deferrable = /\b(not\s+)?deferrable\b/i.exec(text)
  if (deferrable !== null) options.deferrable = deferrable[1] === undefined
  return options
}
