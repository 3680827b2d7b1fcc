/**
 * `unwind/node-sqlite`: transactions, readers and iterators that end, over the driver that Node.js brings with it. That
 * is loaded at the first use of a database and not before: where it is experimental, loading it says so.
 */
import type * as NodeSqlite from 'node:sqlite'
import type { Driver } from './driver.ts'
import { cannotOpen } from './errors.ts'
import { NodeDatabase } from './node-database.ts'
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

/** What a connection of a caller was adopted as, so that all who use it take turns. */
const adopted = new WeakMap<object, NodeDatabase>()

const driver: Driver = {
  databaseClass: 'a DatabaseSync of node:sqlite',

  adopt(given) {
    const module = load()
    if (module === undefined || !(given instanceof module.DatabaseSync)) return undefined
    const known = adopted.get(given)
    if (known?.open === true) return known
    const database = new NodeDatabase(given, module)
    adopted.set(given, database)
    return database
  },

  open(path, { readonly, timeout, bigints }) {
    const module = load()
    if (module === undefined) throw notThere(path)
    const raw = new module.DatabaseSync(path, { readOnly: readonly, readBigInts: bigints })
    // The option of the same meaning is younger than some of the versions that this is for.
    if (timeout > 0) raw.exec(`PRAGMA busy_timeout = ${timeout}`)
    return new NodeDatabase(raw, module, path)
  },
}

/**
 * Open a file, or take over a `DatabaseSync` that the caller owns. A path is closed on dispose; a `DatabaseSync` of the
 * caller's stays open, and only what was begun here is ended. In a service `sqliteResources` opens it, and it
 * ends with the app.
 *
 * Needs Node.js 22.13, and 22.16 for `backup`. Rows are plain objects. Errors of SQLite arrive as the driver throws
 * them: `code` is `ERR_SQLITE_ERROR`, `errcode` the number that SQLite gives (https://sqlite.org/rescode.html).
 *
 * @example
 * ```ts
 * using db = sqlite('shop.db')
 * using tx = db.begin()
 * tx.prepare('insert into item (name) values (?)').run('lamp')
 * tx.commit()
 * ```
 * @throws {TypeError} for unknown or wrong options
 * @throws `ERR_SQLITE_OPEN` naming the path, or a Node.js without node:sqlite; `ERR_SQLITE_BUSY` while another process
 * holds the file
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
 * @param database what `sqlite()` takes, or a function that gives it when the database is first needed; a `DatabaseSync`
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

/** `undefined` where this Node.js has none, or hides it behind a flag. */
function load(): typeof NodeSqlite | undefined {
  return process.getBuiltinModule('node:sqlite')
}

function notThere(path: string): Error {
  return cannotOpen(
    `Cannot open the database "${path}": this Node.js, ${process.versions.node}, has no node:sqlite. Use Node.js 22.13 or later without --no-experimental-sqlite, or unwind/better-sqlite3.`,
  )
}
