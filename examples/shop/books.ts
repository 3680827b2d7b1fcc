/** The books as a whole: opened once, with their tables and full shelves, and audited whenever somebody wants to know. */
import { setTimeout as delay } from 'node:timers/promises'
import { primaryError, type App } from 'unwind'

import { StartError } from './arguments.ts'
import { auditBooks, auditRun, type Check, type Memory } from './audit.ts'
import { createTables, deliver } from './schema.ts'
import type { Store } from './store.ts'

/** Milliseconds for another shop to leave the file: one whose terminal was closed may still be at work. */
const patience = 10_000

interface Opening {
  /** How much of each product there has to be. */
  readonly level: number
  /** Nobody wants to wait any longer. */
  readonly signal: AbortSignal
  /** Another program has the file open, and is waited for. */
  onTaken(): void
}

/** @throws {StartError} */
export async function openBooks(app: App, store: Store, opening: Opening): Promise<void> {
  const start = performance.now()
  for (let attempt = 0; ; attempt += 1) {
    const error = await tryToOpen(app, store, opening.level)
    if (error === undefined) return
    if (!isTaken(error) || opening.signal.aborted || performance.now() - start > patience) {
      throw new StartError(`${store.name} cannot be opened: ${reason(error)}`)
    }
    if (attempt === 0) opening.onTaken()
    // An interruption is seen in the next round.
    await delay(200, undefined, { signal: opening.signal }).catch(() => {})
  }
}

/** @returns what went wrong */
async function tryToOpen(app: App, store: Store, level: number): Promise<unknown> {
  try {
    await app.run({ name: 'opening' }, async (scope) => {
      await store.claim(scope)
      const books = await scope.get(store.transaction)
      await createTables(books)
      await deliver(books, new Date().toISOString(), level)
    })
    return undefined
  } catch (error) {
    return primaryError(error)
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
  if (isTaken(error)) {
    return 'another program has the file open, perhaps another run of this shop. End that one, or choose another file with --database.'
  }
  if (!(error instanceof Error)) return String(error)
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof AggregateError && message === '') return reason(error.errors[0])
  return (message || code || error.name).split('\n', 1).join('')
}

function isTaken(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, cause } = error as NodeJS.ErrnoException
  return /SQLITE_BUSY/.test(`${code} ${String(cause)}`)
}
