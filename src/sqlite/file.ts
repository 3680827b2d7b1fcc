/**
 * Which file a connection has open, and which one a path leads to. A file may have several names, and a name may lead to
 * another file later: what was removed or replaced stays open, and is not what others find under its name.
 */
import { realpathSync, statSync } from 'node:fs'

/** Where a file was when it was opened. */
interface OpenFile {
  readonly path: string
  readonly identity: string
}

interface Askable {
  prepare(sql: string): { get(): unknown }
}

/** Whether all of it can be a name: for SQLite a text ends with its first NUL, and a blank one names a temporary file. */
export function isPath(given: unknown): given is string {
  return typeof given === 'string' && given.trim() !== '' && !given.includes('\0')
}

/** Where the file of a connection is, whatever it was called; empty for what is in memory. */
export function pathOf(database: Askable): string {
  // The first row is that of the database itself, and an array where its owner wants arrays. The third column is the
  // file, or NULL where there is none.
  const [, , file] = Object.values(
    database.prepare('PRAGMA database_list').get() as object,
  ) as unknown[]
  return typeof file === 'string' ? file : ''
}

/** `undefined` for what is in memory, or was removed. */
export function openFileOf(database: Askable): OpenFile | undefined {
  const path = pathOf(database)
  const identity = path === '' ? undefined : identityOf(path)
  return identity === undefined ? undefined : { path, identity }
}

/** The same for all names of a file; `undefined` where there is none. */
export function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    // Not every file system numbers its files: some give all of them the same.
    return ino === 0n ? realpathSync(path) : `${dev}:${ino}`
  } catch {
    return undefined
  }
}
