/**
 * From a path, or from a connection of the caller's, to a database. What fails half way is closed again, and says which
 * path or option it was.
 */
import { checkOptions, count, expected, flag, milliseconds, type Rule } from '../core/options.ts'
import { Backups } from './backups.ts'
import { Connection } from './connection.ts'
import { Database } from './database.ts'
import { pragmaOf, type Driver, type DriverDatabase, type OpenOptions } from './driver.ts'
import { cannotOpen } from './errors.ts'
import { identityOf, isPath, openFileOf } from './file.ts'
import { joinGate } from './gate.ts'
import { openFailure } from './open-failure.ts'
import { Readers } from './readers.ts'
import type { SqliteOptions } from './types.ts'
import { Writer } from './writer.ts'

const rules: Readonly<Record<keyof SqliteOptions, Rule>> = {
  readers: count,
  defaults: flag,
  busyTimeout: milliseconds,
  slowWrite: milliseconds,
}

/** The last of them reads the file: only a connection that has read it in WAL mode takes the WAL files with it. */
const defaultPragmas =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA schema_version'

/** @throws {TypeError} naming the option */
export function checkSqliteOptions(call: string, options: unknown): void {
  checkOptions(call, options, rules)
}

/**
 * A path, or the connection of a caller.
 * @throws {TypeError} for anything that is neither
 */
export function checkGiven(driver: Driver, what: string, given: unknown): string | DriverDatabase {
  if (isPath(given)) return given
  const adopted = typeof given === 'object' && given !== null ? driver.adopt(given) : undefined
  if (adopted !== undefined) return adopted
  const wanted = `a path, ":memory:" or ${driver.databaseClass}`
  throw expected(what, wanted, given)
}

/** @throws what `sqlite()` of an entry point throws */
export function openDatabase(
  driver: Driver,
  database: string | object,
  options: SqliteOptions = {},
): Database {
  const given = checkGiven(driver, 'the first argument of sqlite()', database)
  checkSqliteOptions('sqlite()', options)
  if (typeof given === 'string')
    return assemble(driver, connect(driver, given, options), true, options)
  configure(given, options)
  return assemble(driver, given, false, options)
}

function connect(driver: Driver, path: string, options: SqliteOptions): DriverDatabase {
  const timeout = Math.ceil(options.busyTimeout ?? 0)
  const database = open(driver, path, { readonly: false, timeout, bigints: false })
  try {
    // SQLite reads nothing of a file before the first statement.
    database.prepare('PRAGMA schema_version').get()
    if (options.defaults ?? !database.memory) database.exec(defaultPragmas)
    return database
  } catch (error) {
    database.close()
    throw openFailure(path, error)
  }
}

/** A connection of the caller's stays as it is, except for what the options ask for. */
function configure(database: DriverDatabase, options: SqliteOptions): void {
  const { name } = database
  if (!database.open) throw cannotOpen(closedAlready(name))
  try {
    if (options.busyTimeout !== undefined) {
      database.exec(`PRAGMA busy_timeout = ${Math.ceil(options.busyTimeout)}`)
    }
    if (options.defaults === true) database.exec(defaultPragmas)
  } catch (error) {
    throw openFailure(name, error)
  }
}

/** @param name empty where the driver has forgotten it */
function closedAlready(name: string): string {
  const database = name === '' ? 'The database' : `The database "${name}"`
  return `${database} that was given to sqlite() is closed. Open it first.`
}

function assemble(
  driver: Driver,
  database: DriverDatabase,
  owned: boolean,
  options: SqliteOptions,
): Database {
  const { name } = database
  const file = openFileOf(database)
  // A connection of the caller's may have any, give it as any kind of number, and be in use already.
  const timeout = pragmaOf(database, 'busy_timeout')
  const [busyTimeout, bigints] = [Number(timeout), typeof timeout === 'bigint']
  const { gate, leave } = joinGate(file?.identity ?? database)
  const connection = gate.connections.get(database) ?? new Connection(database, name, busyTimeout)
  connection.busyTimeout = busyTimeout
  gate.connections.set(database, connection)
  const writer = new Writer(connection, gate, options.slowWrite ?? 1_000)
  const isThere = (): boolean => file !== undefined && identityOf(file.path) === file.identity
  const openOther = (readonly: boolean): DriverDatabase => {
    if (!isThere()) throw cannotOpen(isGone(name))
    return open(driver, file?.path ?? name, { readonly, timeout: busyTimeout, bigints }, database)
  }
  const readers = new Readers(
    writer,
    file === undefined ? 0 : (options.readers ?? 0),
    () => new Connection(openOther(true), name, busyTimeout),
  )
  // It may be the last to go, after a dispose that does not wait, and has to be one that takes the WAL files with it.
  const openSnapshot = (): DriverDatabase | undefined =>
    isThere() && keepsSnapshots(database) ? snapshot(openOther(!owned)) : undefined
  const backups = new Backups(writer, file?.identity, openSnapshot)
  return new Database({ writer, readers, backups, owned, leaveGate: leave })
}

function isGone(name: string): string {
  return `Cannot open the database "${name}" once more: its file was removed or replaced after it was opened. Dispose it, and open what is there now.`
}

function open(
  driver: Driver,
  path: string,
  options: OpenOptions,
  beside?: DriverDatabase,
): DriverDatabase {
  try {
    return driver.open(path, options, beside)
  } catch (error) {
    throw openFailure(path, error)
  }
}

/** Only in WAL mode does a reader keep its view of the file without keeping others from writing. */
function keepsSnapshots(database: DriverDatabase): boolean {
  return pragmaOf(database, 'journal_mode') === 'wal'
}

/** The first read of a transaction fixes what it sees. */
function snapshot(database: DriverDatabase): DriverDatabase {
  try {
    database.exec('BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}
