/**
 * SQLite in a scope: the file for as long as the app, a transaction and a reader for as long as the request. The
 * transaction commits where the request succeeds, and is rolled back on every other outcome.
 */
import { resource } from '../core/resources/resource.ts'
import { Database } from './database.ts'
import type { Driver } from './driver.ts'
import { checkGiven, checkSqliteOptions, openDatabase } from './open.ts'
import { takeOrigin } from './origin.ts'
import { ReaderHandle } from './reader.ts'
import { TransactionHandle } from './transaction-handle.ts'
import { Transaction } from './transaction.ts'
import type {
  SqliteDatabase,
  SqliteOptions,
  SqliteReader,
  SqliteResources,
  SqliteTransaction,
} from './types.ts'

/** @throws {TypeError} for wrong options, and for what is no database, where that can be told already */
export function resourcesOf(
  driver: Driver,
  given: string | object | (() => string | object),
  options: SqliteOptions | undefined,
): SqliteResources {
  checkSqliteOptions('sqliteResources()', options)
  if (typeof given !== 'function') {
    checkGiven(driver, 'the first argument of sqliteResources()', given)
    return makeResources(() => openDatabase(driver, given, options))
  }
  // To the compiler any function is an object, and may be one that gives nothing.
  const make = given as () => string | object
  return makeResources(() => {
    const made = make()
    checkGiven(driver, 'what the function given to sqliteResources() made', made)
    return openDatabase(driver, made, options)
  })
}

function makeResources(open: () => SqliteDatabase & AsyncDisposable): SqliteResources {
  const database = resource<SqliteDatabase>({
    name: 'sqlite database',
    lifetime: 'app',
    acquire({ scope }) {
      const opened = open()
      Database.partsOf(opened).writer.lender = scope
      return opened
    },
    release: (opened) => Database.close(opened),
  })

  const transaction = resource<SqliteTransaction>({
    name: 'sqlite transaction',
    async acquire(context) {
      // Before the first await, after which nobody knows who asked.
      const origin = takeOrigin()
      const { scope } = context
      const { writer } = Database.partsOf(await context.get(database))
      const held = writer.write({ by: context, lender: scope, origin })
      return new TransactionHandle(held instanceof Transaction ? held : await held)
    },
    release: (lent, { status }) => TransactionHandle.end(lent, status === 'success'),
  })

  const reader = resource<SqliteReader>({
    name: 'sqlite reader',
    async acquire(context) {
      const { readers } = Database.partsOf(await context.get(database))
      const lease = await readers.lease(context)
      lease.lender = context.scope
      return new ReaderHandle(lease)
    },
    release: (lent) => ReaderHandle.end(lent),
  })

  return { database, transaction, reader }
}
