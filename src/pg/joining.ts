/** What is asked of a transaction by whoever joins it: once it has begun, it cannot become another one. */
import { inspect } from 'node:util'

import { expected } from '../core/options.ts'
import { requestOf } from '../core/tree.ts'
import type { Resource, Scope } from '../core/types.ts'
import type { PgTransaction, PgTransactionOptions } from './types.ts'

type Modes = Omit<PgTransactionOptions, 'signal'>

/** As texts: how the driver reads a boolean is for others to set. */
const question = `SELECT current_setting('transaction_isolation') AS isolation,
  current_setting('transaction_read_only') AS "readOnly",
  current_setting('transaction_deferrable') AS deferrable`

const flags: ReadonlyMap<string | undefined, boolean> = new Map([
  ['on', true],
  ['off', false],
])

/**
 * The server is asked, where there is anything to ask: it knows its defaults, and what a SET TRANSACTION changed.
 * @throws {TypeError} for an option that is not that of the transaction
 */
export async function checkJoined(tx: PgTransaction, modes: Modes, where: string): Promise<void> {
  const asked = Object.entries(modes)
  if (asked.length === 0) return
  const { rows } = await tx.query<Partial<Record<string, string>>>(question)
  for (const [name, wanted] of asked) {
    const setting = rows[0]?.[name]
    const actual = flags.get(setting) ?? setting
    if (wanted === actual) continue
    const whole = `that of the transaction that it joins, ${inspect(actual)}`
    throw expected(`option \`${name}\` of ${where}`, whole, wanted)
  }
}

interface Wish {
  readonly modes: Modes
  /** The transaction was begun with these, so that nobody has to compare them with what it is. */
  fulfilled: boolean
}

/**
 * With what the transactions are to begin that are not yet begun, for each resource and its scope: what those wish who wait
 * for it, and the first of them is heard. `get` takes no options for what it acquires: whoever asks with some leaves them
 * here, where the resource looks when it begins.
 */
const wishes = new WeakMap<Resource<PgTransaction>, WeakMap<Scope, Set<Wish>>>()

/** For whoever begins it. */
export function wishedFor(transaction: Resource<PgTransaction>, scope: Scope): Modes | undefined {
  const [wish] = wishes.get(transaction)?.get(scope) ?? []
  if (wish !== undefined) wish.fulfilled = true
  return wish?.modes
}

/**
 * The transaction that `scope` sees. With these options, where this is what begins it.
 * @throws {TypeError} where it is another one
 */
export async function join(
  scope: Scope,
  transaction: Resource<PgTransaction>,
  options: PgTransactionOptions,
  where: string,
): Promise<PgTransaction> {
  const { signal } = options
  const owner = requestOf(scope) ?? scope
  const wished = wishes.get(transaction) ?? new WeakMap<Scope, Set<Wish>>()
  wishes.set(transaction, wished)
  const waiting = wished.get(owner) ?? new Set<Wish>()
  wished.set(owner, waiting)
  const wish = { modes: modesIn(options), fulfilled: false }
  waiting.add(wish)
  try {
    const tx = await scope.get(transaction, signal && { signal })
    if (!wish.fulfilled) await checkJoined(tx, wish.modes, where)
    signal?.throwIfAborted()
    return tx
  } finally {
    waiting.delete(wish)
  }
}

/** An option that is `undefined` is none: the transaction begins with what it would have without it. */
function modesIn({ isolation, readOnly, deferrable }: PgTransactionOptions): Modes {
  return {
    ...(isolation !== undefined && { isolation }),
    ...(readOnly !== undefined && { readOnly }),
    ...(deferrable !== undefined && { deferrable }),
  }
}
