/** The books as a whole: opened once, with their tables and full shelves, and audited whenever somebody wants to know. */
import { primaryError, type App } from 'unwind'

import { StartError } from './arguments.ts'
import { auditBooks, auditRun, type Check, type Memory } from './audit.ts'
import { createTables, deliver } from './schema.ts'
import type { Store } from './store.ts'

/**
 * @param level how much of each product there has to be
 * @throws {StartError}
 */
export async function openBooks(app: App, store: Store, level: number): Promise<void> {
  try {
    await app.run({ name: 'opening' }, async (scope) => {
      await store.claim(scope)
      const books = await scope.get(store.transaction)
      await createTables(books)
      await deliver(books, new Date().toISOString(), level)
    })
  } catch (error) {
    throw new StartError(`${store.name} cannot be opened: ${reason(primaryError(error))}`)
  }
}

export function audit(app: App, store: Store, memory?: Memory): Promise<Check[]> {
  return app.run({ name: 'audit' }, async (scope) => {
    const books = await scope.get(store.transaction)
    const remembered = memory === undefined ? [] : await auditRun(books, memory)
    return [...remembered, ...(await auditBooks(books))]
  })
}

export function countOrders(app: App, store: Store): Promise<number> {
  return app.run(async (scope) => {
    const books = await scope.get(store.transaction)
    const [row] = await books.rows<{ count: unknown }>(`select count(*) as count from shop_orders`)
    return Number(row?.count)
  })
}

/** In one line. A driver's error may have no message (several addresses were tried), or one that helps nobody here. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, message } = error as NodeJS.ErrnoException
  if (/SQLITE_BUSY/.test(`${code} ${String(error.cause)}`)) {
    return 'another program has the file open, perhaps another run of this shop. End that one, or choose another file with --database.'
  }
  if (error instanceof AggregateError && message === '') return reason(error.errors[0])
  return (message || code || error.name).split('\n', 1).join('')
}
