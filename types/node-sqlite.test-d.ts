/**
 * The types of `unwind/node-sqlite`, signature by signature. Each `expectError` forbids the mistake that the comment
 * above it names.
 */
import type { DatabaseSync } from 'node:sqlite'
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import type { Resource, Scope } from 'unwind'
import { sqlite, sqliteResources } from 'unwind/node-sqlite'
import type * as Better from 'unwind/better-sqlite3'
import type {
  SqliteBackupProgress,
  SqliteChanges,
  SqliteDatabase,
  SqliteOptions,
  SqliteReader,
  SqliteResources,
  SqliteStatement,
  SqliteTransaction,
} from 'unwind/node-sqlite'

interface Item {
  readonly id: number
  readonly name: string
}

/** What a row is where nobody said it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Unsaid = any

declare const scope: Scope
declare const signal: AbortSignal
declare const raw: DatabaseSync

// -------------------------------------------------------------------------------------------------------------------
// sqlite
// -------------------------------------------------------------------------------------------------------------------

const db = sqlite('shop.db')
expectType<SqliteDatabase & Disposable & AsyncDisposable>(db)
expectType<SqliteDatabase & Disposable & AsyncDisposable>(sqlite(raw))
expectType<SqliteDatabase & Disposable & AsyncDisposable>(sqlite(raw as object, {}))
expectAssignable<Disposable>(db)
expectAssignable<AsyncDisposable>(db)
// One contract: what is written for one driver takes the other.
expectType<Better.SqliteDatabase & Disposable & AsyncDisposable>(db)
expectType<Better.SqliteResources>(sqliteResources('shop.db'))

const options: SqliteOptions = { readers: 2, defaults: true, busyTimeout: 0, slowWrite: 1_000 }
sqlite(':memory:', options)
expectType<number | undefined>(options.readers)
expectType<boolean | undefined>(options.defaults)
expectType<number | undefined>(options.busyTimeout)
expectType<number | undefined>(options.slowWrite)

// Forgotten: what to open.
expectError(sqlite())
// A file descriptor is no path.
expectError(sqlite(3))
// A misspelled option.
expectError(sqlite('shop.db', { reader: 2 }))
// Durations are numbers of milliseconds.
expectError(sqlite('shop.db', { busyTimeout: '5s' }))
// A flag is true or false.
expectError(sqlite('shop.db', { defaults: 1 }))

// -------------------------------------------------------------------------------------------------------------------
// Statements
// -------------------------------------------------------------------------------------------------------------------

const untyped = db.prepare('select 1')
expectType<SqliteStatement<Unsaid>>(untyped)
const item = db.prepare<Item>('select id, name from item where id = ?')
expectType<SqliteStatement<Item>>(item)
expectType<Item | undefined>(item.get(1))
expectType<Item[]>(item.all())
expectType<SqliteChanges>(item.run(1, 'two', null, 4n))
expectType<number | bigint>(item.run().changes)
expectType<number | bigint>(item.run().lastInsertRowid)
const rows = item.iterate(1)
expectType<IterableIterator<Item> & Disposable>(rows)
for (const row of rows) expectType<Item>(row)
expectType<void>(db.exec('create table item (id integer primary key, name text)'))

// `get` finds no row as often as one.
expectError<Item>(item.get(1))
// What a statement changed is not for changing.
expectError((item.run().changes = 1))
// The SQL is a text.
expectError(db.prepare(42))
expectError(db.exec())
// Statements are not closed by hand: they end with whoever prepared them.
expectNotAssignable<Disposable>(item)

// -------------------------------------------------------------------------------------------------------------------
// Transactions
// -------------------------------------------------------------------------------------------------------------------

const brief = db.begin()
expectType<SqliteTransaction & Disposable>(brief)
expectType<'open' | 'committed' | 'rolled back'>(brief.state)
expectType<SqliteStatement<Item>>(brief.prepare<Item>('select'))
expectType<SqliteStatement<Unsaid>>(brief.prepare('select'))
expectType<void>(brief.exec('select'))
expectType<void>(brief.commit())
expectType<void>(brief.rollback())
const savepoint = brief.savepoint()
expectType<SqliteTransaction & Disposable>(savepoint)
expectType<SqliteTransaction & Disposable>(savepoint.savepoint())

// A transaction of one tick is left with `using`: an `await` in its dispose would be one too late.
expectNotAssignable<AsyncDisposable>(brief)
// Its state is changed by its methods.
expectError((brief.state = 'committed'))
// `begin` cannot wait, so there is nothing to abort.
expectError(db.begin({ signal }))

const writing = db.write()
expectType<Promise<SqliteTransaction & AsyncDisposable>>(writing)
expectType<Promise<SqliteTransaction & AsyncDisposable>>(db.write({ signal }))
// What is owned asynchronously is left with `await using`.
expectNotAssignable<Disposable>(await writing)
// Forgotten: the await.
expectError(writing.commit())
// The option is the signal, not its controller.
expectError(db.write({ signal: new AbortController() }))
expectError(db.write(signal))
expectError(db.write({ timeout: 5 }))

expectType<number>(db.transaction(() => 42))
expectType<Item | undefined>(
  db.transaction((tx) => {
    expectType<SqliteTransaction>(tx)
    return tx.prepare<Item>('select').get()
  }),
)
expectType<void>(db.transaction((tx) => tx.exec('select')))
// What an async function does after its first await would run after the commit.
expectError(db.transaction(async () => 42))
expectError(db.transaction(async (tx) => tx.exec('select')))
expectError(db.transaction(() => Promise.resolve(42)))
db.transaction((tx) => {
  // What is lent has no disposal, and is not left with `using`.
  expectNotAssignable<Disposable>(tx)
  expectNotAssignable<AsyncDisposable>(tx)
})

// -------------------------------------------------------------------------------------------------------------------
// Readers and backups
// -------------------------------------------------------------------------------------------------------------------

const reading = db.read()
expectType<Promise<SqliteReader & AsyncDisposable>>(reading)
expectType<Promise<SqliteReader & AsyncDisposable>>(db.read({ signal }))
const reader = await reading
expectType<SqliteStatement<Item>>(reader.prepare<Item>('select'))
expectType<SqliteStatement<Unsaid>>(reader.prepare('select'))
// A reader does not write.
expectError(reader.exec('delete from item'))
expectNotAssignable<Disposable>(reader)
expectError(db.read({ readers: 2 }))

expectType<Promise<void>>(db.backup('copy.db'))
expectType<Promise<void>>(
  db.backup('copy.db', {
    signal,
    onProgress(done) {
      expectType<SqliteBackupProgress>(done)
      expectType<number>(done.total)
      expectType<number>(done.remaining)
    },
  }),
)
// Forgotten: where to.
expectError(db.backup())
expectError(db.backup('copy.db', { progress() {} }))

// -------------------------------------------------------------------------------------------------------------------
// Resources
// -------------------------------------------------------------------------------------------------------------------

const resources = sqliteResources('shop.db', options)
expectType<SqliteResources>(resources)
expectType<SqliteResources>(sqliteResources(raw))
expectType<SqliteResources>(sqliteResources(() => 'shop.db'))
expectType<SqliteResources>(sqliteResources(() => raw, { readers: 1 }))
expectType<Resource<SqliteDatabase>>(resources.database)
expectType<Resource<SqliteTransaction>>(resources.transaction)
expectType<Resource<SqliteReader>>(resources.reader)

const lent = {
  database: await scope.get(resources.database),
  transaction: await scope.get(resources.transaction),
  reader: await scope.get(resources.reader),
}
expectType<{ database: SqliteDatabase; transaction: SqliteTransaction; reader: SqliteReader }>(lent)
// What a scope lends is released by the scope: no `using`, no `await using`.
expectNotAssignable<Disposable>(lent.database)
expectNotAssignable<AsyncDisposable>(lent.database)
expectNotAssignable<Disposable>(lent.transaction)
expectNotAssignable<AsyncDisposable>(lent.transaction)
expectNotAssignable<AsyncDisposable>(lent.reader)

// The resources are keys, not values.
expectError(resources.transaction.commit())
expectError((resources.reader = sqliteResources(raw).reader))
// Forgotten: what to open.
expectError(sqliteResources())
expectError(sqliteResources('shop.db', { slowWrites: 1 }))
