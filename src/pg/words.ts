/** The statements that begin and end transactions, as far as their text shows it. */
import { expected } from '../core/options.ts'
import { PlainTexts, statementsOf } from './sql-text.ts'
import type { PgTransactionOptions } from './types.ts'

type Word = 'begin' | 'commit' | 'rollback'

export interface Order {
  readonly word: Word
  /** Without the comments that somebody put around it. */
  readonly text: string
  /** Another transaction is to begin at the end of this one. */
  readonly chains: boolean
}

const words: readonly (readonly [Word, RegExp])[] = [
  ['begin', /^(?:begin|start\s+transaction)\b/i],
  ['commit', /^(?:commit|end)(?:\s+(?:work|transaction))?(?:\s+and\s+(?:no\s+)?chain)?$/i],
  ['rollback', /^(?:rollback|abort)(?:\s+(?:work|transaction))?(?:\s+and\s+(?:no\s+)?chain)?$/i],
]

/** How such a text begins. Most do not, and are not looked at any further. */
const perhaps = /^[\s;]*(?:begin|start|commit|end|rollback|abort|prepare|--|\/\*)/i

/** What a client that keeps account of its transactions is told to do. */
export function orderOf(sql: string): Order | undefined {
  if (!perhaps.test(sql)) return undefined
  const [text, second] = statementsOf(sql)
  // A script is for the server.
  if (text === undefined || second !== undefined) return undefined
  const word = wordOf(text)
  return word && { word, text, chains: /\band\s+chain$/i.test(text) }
}

const script = /;\s*[^\s;]/
const twoPhase = /^prepare\s+transaction\b/i
/** The body of a function in SQL: its statements end with a semicolon, and it ends with END. */
const body = /\bbegin\s+atomic\b/i
const plainEnd = /^end$/i

/** They end nothing, as their beginning shows. */
const plain = new PlainTexts()

/** The statement in `sql` that would end the transaction in which it runs. */
export function endIn(sql: string): string | undefined {
  if (plain.has(sql)) return undefined
  if (!perhaps.test(sql) && !(sql.includes(';') && script.test(sql))) {
    plain.add(sql)
    return undefined
  }
  const ends = statementsOf(sql).filter(isEnd)
  return body.test(sql) ? ends.find((end) => !plainEnd.test(end)) : ends[0]
}

function isEnd(statement: string): boolean {
  const word = wordOf(statement)
  return word === 'commit' || word === 'rollback' || twoPhase.test(statement)
}

function wordOf(statement: string): Word | undefined {
  return words.find(([, pattern]) => pattern.test(statement))?.[0]
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
  // Other modes may follow with nothing but a blank between them, such as `serializable read only`.
  const level = /isolation\s+level\s+(read\s+\w+|repeatable\s+\w+|\w+)/i.exec(text)?.[1]
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
