/** Ways to look at a promise, or at the process, without hanging on it. */
import { within } from '../../core/support/promises.ts'

export { isPending, quiet, within } from '../../core/support/promises.ts'

export interface Warning extends Error {
  code?: string
  detail?: string
}

/** The next process warning of this package. Ask before it can come. */
export async function nextWarning(): Promise<Warning> {
  const found = Promise.withResolvers<Warning>()
  const listener = (warning: Warning): void => {
    if (warning.name === 'UnwindWarning') found.resolve(warning)
  }
  process.on('warning', listener)
  try {
    return await within(found.promise)
  } finally {
    process.off('warning', listener)
  }
}

/**
 * For `assert.throws` and `assert.rejects`.
 * @param code also that of SQLite: better-sqlite3 gives its name, node:sqlite its number
 */
export function withCode(code: string, message = /./): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof Error) || !message.test(error.message)) return false
    const found = error as { code?: unknown; errcode?: unknown }
    return found.code === 'ERR_SQLITE_ERROR' ? found.errcode === results[code] : found.code === code
  }
}

/** https://sqlite.org/rescode.html */
const results: Readonly<Record<string, number>> = {
  SQLITE_ERROR: 1,
  SQLITE_BUSY: 5,
  SQLITE_READONLY: 8,
  SQLITE_FULL: 13,
  SQLITE_CONSTRAINT_FOREIGNKEY: 787,
  SQLITE_CONSTRAINT_PRIMARYKEY: 1555,
  SQLITE_CONSTRAINT_UNIQUE: 2067,
}
