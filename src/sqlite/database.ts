/**
 * A file in the hands of its user: the writer, the readers and the running backups behind one handle. Disposed in an
 * order that leaves nothing behind: backups, readers, the open transaction, and the writer's connection last, because
 * SQLite removes the WAL files when a connection that may write is the last to go.
 */
import { isTimeout, Kind, ticketFor, type Ticket } from '../core/watching/held.ts'
import { lentError } from '../core/lease.ts'
import { abortSignal, callable, checkOptions, expected } from '../core/options.ts'
import type { BackupOptions, Backups } from './backups.ts'
import { isPath } from './file.ts'
import { takeOrigin } from './origin.ts'
import { ReaderHandle, type ReaderLease } from './reader.ts'
import type { Readers } from './readers.ts'
import { checkText } from './script.ts'
import { transact } from './transact.ts'
import { TransactionHandle } from './transaction-handle.ts'
import { Transaction } from './transaction.ts'
import type { SqliteDatabase, SqliteStatement, SqliteTransaction } from './types.ts'
import type { Writer } from './writer.ts'

/** What a database is made of. Each part can be closed twice. */
export interface Parts {
  readonly writer: Writer
  readonly readers: Readers
  readonly backups: Backups
  /** Whether the writer's connection was opened here. */
  readonly owned: boolean
  readonly leaveGate: () => void
}

const transactionKind = new Kind('sqlite transaction')
const readerKind = new Kind('sqlite reader')

const waiting = { signal: abortSignal }
const anybody = {}
/** To some drivers a URI: nobody would know which file that is, nor remove it where the copying fails. */
const noFile = /^(?::memory:$|file:)/
const backingUp = { signal: abortSignal, onProgress: callable }

export class Database implements SqliteDatabase, Disposable, AsyncDisposable {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** @throws {TypeError} for a value that is no database of this module */
  static partsOf(database: SqliteDatabase): Parts {
    if (#parts in database) return database.#parts
    throw expected('the value of the database resource', 'made by sqlite()', database)
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    return this.#parts.writer.prepare(sql)
  }

  exec(sql: string): void {
    checkText('exec()', sql)
    this.#parts.writer.exec(sql)
  }

  begin(): TransactionHandle {
    return new TransactionHandle(this.#parts.writer.begin())
  }

  /** Without an async function: where nobody has the writer, this costs little more than the transaction. */
  write(options?: { signal?: AbortSignal }): Promise<TransactionHandle> {
    try {
      checkOptions('write()', options, waiting)
      options?.signal?.throwIfAborted()
      const wish = { by: options ?? anybody, lender: undefined, origin: takeOrigin() }
      const held = this.#parts.writer.write(wish)
      const ticket = ticketFor(transactionKind)
      if (!(held instanceof Transaction)) return handOutLater(held, ticket)
      return Promise.resolve(handOut(held, new TransactionHandle(held), ticket))
    } catch (error) {
      // Whatever was thrown is passed on.
      return Promise.reject(error)
    }
  }

  transaction<R>(
    body: (tx: SqliteTransaction) => R & (R extends PromiseLike<unknown> ? never : unknown),
  ): R {
    return transact<R>(this.#parts.writer, body)
  }

  async read(options?: { signal?: AbortSignal }): Promise<ReaderHandle> {
    checkOptions('read()', options, waiting)
    options?.signal?.throwIfAborted()
    const ticket = ticketFor(readerKind)
    const lease = await waitFor(this.#parts.readers.lease(options ?? anybody), ticket)
    return handOut(lease, new ReaderHandle(lease), ticket)
  }

  async backup(path: string, options?: BackupOptions): Promise<void> {
    if (!isPath(path) || noFile.test(path.trim())) {
      throw expected('the first argument of backup()', 'the path of a file', path)
    }
    checkOptions('backup()', options, backingUp)
    await this.#parts.backups.start(path, options ?? {})
  }

  /** For the app that lends it. */
  static async close(database: SqliteDatabase): Promise<void> {
    if (#parts in database) await database.#close()
  }

  [Symbol.dispose](): void {
    this.#requireOwned()
    void this.#close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requireOwned()
    await this.#close()
  }

  #requireOwned(): void {
    const { lender, file } = this.#parts.writer
    if (lender !== undefined) throw lentError(`The database "${file}"`, lender)
  }

  /** Everything but the last steps of running backups ends at once. */
  #close(): Promise<void> {
    const { writer, readers, backups, owned, leaveGate } = this.#parts
    const stopped = backups.stop(writer.released())
    readers.close()
    writer.close(owned)
    leaveGate()
    return stopped
  }
}

/** To whoever will dispose it. With its database it may have ended on the way. */
function handOut<H extends object>(
  held: Transaction | ReaderLease,
  handle: H,
  ticket: Ticket | undefined,
): H {
  if (held.over) ticket?.released()
  else {
    held.ticket = ticket
    ticket?.held(handle)
  }
  return handle
}

async function handOutLater(
  pending: Promise<Transaction>,
  ticket: Ticket | undefined,
): Promise<TransactionHandle> {
  const held = await waitFor(pending, ticket)
  return handOut(held, new TransactionHandle(held), ticket)
}

/** Wait for what somebody will own. */
async function waitFor<T>(pending: Promise<T>, ticket: Ticket | undefined): Promise<T> {
  if (ticket === undefined) return await pending
  try {
    return await ticket.trace(() => pending)
  } catch (error) {
    ticket.failed(isTimeout(error))
    throw error
  }
}
