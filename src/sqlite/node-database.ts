/**
 * node:sqlite in the shapes of the port. Evens out what differs between its versions and from better-sqlite3: rows are
 * plain objects, and what would crash the process inside a user function (a close, an iterator's end) is refused there.
 */
import type * as NodeSqlite from 'node:sqlite'
import type { DriverDatabase, DriverProgress } from './driver.ts'
import { busyInFunction, cannotBackUp } from './errors.ts'
import { pathOf } from './file.ts'
import { NodeStatement, type RawStatement } from './node-statement.ts'

/** What is used of a `DatabaseSync`. Node.js 22.13 to 22.15 lack one of them. */
export interface RawDatabase {
  readonly isTransaction?: boolean
  prepare(sql: string): RawStatement
  exec(sql: string): void
  close(): void
}

export class NodeDatabase implements DriverDatabase {
  readonly name: string
  readonly memory: boolean
  readonly #raw: RawDatabase & NodeSqlite.DatabaseSync
  readonly #module: typeof NodeSqlite
  /** Ends with the connection, which its owner can open anew: that is another one then, without what was prepared here. */
  readonly #witness: RawStatement | undefined
  /** How many calls are inside SQLite. Whoever runs while it is not 0 is a user function, called by one of them. */
  #calls = 0
  #copies = 0
  /** It is closed as soon as nothing is copied from it. */
  #closing = false

  /** @param name what it was opened with; by default where its file is, which a closed one does not know */
  constructor(given: NodeSqlite.DatabaseSync, module: typeof NodeSqlite, name?: string) {
    // Its types are those of one version, and promise an iterator less than it is.
    const raw = given as RawDatabase & NodeSqlite.DatabaseSync
    this.#raw = raw
    this.#module = module
    this.#witness = witnessOf(raw)
    const file = this.open ? pathOf(raw) : undefined
    this.memory = file === ''
    this.name = name ?? (file === '' ? ':memory:' : (file ?? ''))
  }

  get open(): boolean {
    return !this.#closing && this.#witness !== undefined && isAlive(this.#witness)
  }

  get inTransaction(): boolean {
    return this.open && isInTransaction(this.#raw)
  }

  prepare(sql: string): NodeStatement {
    return new NodeStatement(this, this.#raw, sql)
  }

  exec(sql: string): void {
    this.requireIdle()
    this.enter()
    try {
      this.#raw.exec(sql)
    } finally {
      this.leave()
    }
  }

  /** The driver throws at a second close, and takes the process with it inside a user function. */
  close(): void {
    if (!this.open) return
    this.requireIdle()
    this.#closing = this.#copies > 0
    if (!this.#closing) this.#raw.close()
  }

  /** The driver goes on copying from a connection that was closed, so that is closed when the copying has ended. */
  async backup(
    path: string,
    { progress }: { progress: (done: DriverProgress) => undefined },
  ): Promise<DriverProgress> {
    const { backup } = this.#module
    if (typeof backup !== 'function') throw cannotBackUp(needsBackup)
    this.#copies += 1
    try {
      return { totalPages: await backup(this.#raw, path, { progress }), remainingPages: 0 }
    } finally {
      this.#copies -= 1
      if (this.#closing && this.#copies === 0) this.#raw.close()
    }
  }

  enter(): void {
    this.#calls += 1
  }

  leave(): void {
    this.#calls -= 1
  }

  /** Whether whoever asks is a user function. */
  get busy(): boolean {
    return this.#calls > 0
  }

  /** @throws `ERR_SQLITE_MISUSE` inside a user function */
  requireIdle(): void {
    if (this.busy) throw busyInFunction(this.name)
  }
}

const needsBackup = `node:sqlite has no backup() before Node.js 22.16, and this is ${process.versions.node}. Update it, or use unwind/better-sqlite3.`

/** `undefined` where it is closed. It is not run, and can be prepared also where somebody holds the file. */
function witnessOf(raw: RawDatabase): RawStatement | undefined {
  try {
    return raw.prepare('BEGIN')
  } catch {
    return undefined
  }
}

function isAlive(statement: RawStatement): boolean {
  try {
    return statement.sourceSQL !== ''
  } catch {
    return false
  }
}

/** Without `isTransaction`: a BEGIN fails in a transaction, and otherwise does nothing that a ROLLBACK would not undo. */
function isInTransaction(raw: RawDatabase): boolean {
  if (raw.isTransaction !== undefined) return raw.isTransaction
  try {
    raw.exec('BEGIN')
  } catch {
    return true
  }
  raw.exec('ROLLBACK')
  return false
}
