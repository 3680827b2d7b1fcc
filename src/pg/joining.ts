/** What is asked of a transaction by whoever joins it: it has begun, and cannot become another one. */
import { inspect } from 'node:util'

import { expected } from '../core/options.ts'
import type { PgTransaction, PgTransactionOptions } from './types.ts'

type Modes = Required<Omit<PgTransactionOptions, 'signal'>>

const question = `SELECT current_setting('transaction_isolation') AS isolation,
  current_setting('transaction_read_only') = 'on' AS "readOnly",
  current_setting('transaction_deferrable') = 'on' AS deferrable`

/**
 * The server is asked, where there is anything to ask: it knows its defaults, and what a SET TRANSACTION changed.
 * @throws {TypeError} for an option that is not that of the transaction
 */
export async function checkJoined(
  tx: PgTransaction,
  { isolation, readOnly, deferrable }: PgTransactionOptions,
  where: string,
): Promise<void> {
  const asked = Object.entries({ isolation, readOnly, deferrable }).filter(
    ([, value]) => value !== undefined,
  )
  if (asked.length === 0) return
  const { rows } = await tx.query<Modes>(question)
  for (const [name, wanted] of asked) {
    // Both have the names of the options.
    const actual = rows[0]?.[name as keyof Modes]
    if (wanted === actual) continue
    const whole = `that of the transaction that it joins, ${inspect(actual)}`
    throw expected(`option \`${name}\` of ${where}`, whole, wanted)
  }
}
