/**
 * `unwind/better-sqlite3`: transactions, readers and iterators that end, over the driver better-sqlite3. Its own types
 * stay out of the declarations: they lag behind it, and a program that has another copy would not compile.
 */
import BetterSqlite3 from 'better-sqlite3'
import type { Driver, DriverDatabase } from './driver.ts'
import { cannotOpen } from './errors.ts'
import { openDatabase } from './open.ts'
import { resourcesOf } from './resources.ts'
import type { SqliteDatabase, SqliteOptions, SqliteResources } from './types.ts'

export type {
  SqliteBackupProgress,
  SqliteChanges,
  SqliteDatabase,
  SqliteOptions,
  SqliteReader,
  SqliteResources,
  SqliteStatement,
  SqliteTransaction,
} from './types.ts'

const driver: Driver = {
  databaseClass: 'a Database of better-sqlite3',
  // Any copy of the driver will do, so its class is no criterion.
  adopt: (given) => (isDatabase(given) ? given : undefined),
  open(path, { readonly, timeout, bigints }, beside) {
    const Database = beside === undefined ? BetterSqlite3 : classOf(beside)
    try {
      const opened = new Database(path, { readonly, timeout }).defaultSafeIntegers(bigints)
      // Its types say less than it can do: `iterate` gives an iterator with `return`.
      return opened as unknown as DriverDatabase
    } catch (error) {
      throw isOfDriver(error) ? error : notLoaded(path, error)
    }
  },
}

/**
 * Open a file, or take over a `Database` that the caller owns. A path is closed on dispose; a `Database` of the
 * caller's stays open, and only what was begun here is ended. In a service `sqliteResources` opens it, and it
 * ends with the app.
 *
 * Errors of SQLite arrive as the driver throws them: `code` is such as `SQLITE_CONSTRAINT_UNIQUE`.
 *
 * @example
 * ```ts
 * using db = sqlite('shop.db')
 * using tx = db.begin()
 * tx.prepare('insert into item (name) values (?)').run('lamp')
 * tx.commit()
 * ```
 * @throws {TypeError} for unknown or wrong options
 * @throws `ERR_SQLITE_OPEN` naming the path, `ERR_SQLITE_BUSY` while another process holds it
 */
export function sqlite(
  database: string | object,
  options?: SqliteOptions,
): SqliteDatabase & Disposable & AsyncDisposable {
  return openDatabase(driver, database, options)
}

/**
 * The database as a resource of the app, its writer and its readers as resources of the request.
 *
 * @param database what `sqlite()` takes, or a function that gives it when the database is first needed; a `Database`
 * stays open in either case
 * @example
 * ```ts
 * const { transaction } = sqliteResources('shop.db')
 * await app.run(async (scope) => {
 *   const tx = await scope.get(transaction)
 *   tx.prepare('insert into item (name) values (?)').run('lamp')
 * })
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function sqliteResources(
  database: string | object | (() => string | object),
  options?: SqliteOptions,
): SqliteResources {
  return resourcesOf(driver, database, options)
}

function isDatabase(given: object): given is DriverDatabase {
  const methods = ['prepare', 'exec', 'close', 'backup', 'pragma']
  return methods.every((method) => isMethod(given, method)) && 'inTransaction' in given
}

/**
 * That of the copy of the driver which made `database`. Each copy has an SQLite of its own, and what one of them closes
 * drops the locks that the other has on the same file. A class derived from it may want other arguments.
 */
function classOf(database: object): typeof BetterSqlite3 {
  let at: object | null = database
  while (at !== null) {
    const { constructor } = at
    // What has this is the driver's own.
    if (typeof constructor === 'function' && Object.hasOwn(constructor, 'SqliteError')) {
      return constructor as typeof BetterSqlite3
    }
    // Of every object there is one, or none.
    at = Object.getPrototypeOf(at) as object | null
  }
  return BetterSqlite3
}

function isMethod(value: object, name: string): boolean {
  // Reading an unknown property is what this is for.
  return typeof (value as Record<string, unknown>)[name] === 'function'
}

/** It loads its binary when the first database is opened; what goes wrong then has no code of SQLite. */
function isOfDriver(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return error instanceof TypeError || String(code).startsWith('SQLITE_')
}

function notLoaded(path: string, cause: unknown): Error {
  return cannotOpen(
    `Cannot open the database "${path}": better-sqlite3 did not load its binary, and the cause says why. Run npm rebuild better-sqlite3 with this Node.js, ${process.versions.node}.`,
    cause,
  )
}
