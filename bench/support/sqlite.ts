/** What the SQLite suites share: files in a folder of their own, set up as `sqlite()` sets its files up, and their cases. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SqliteDatabase } from 'unwind/better-sqlite3'
import type { Case } from '../harness.ts'

export const schema = 'create table item (id integer primary key, name text, price real)'

export const settings =
  'pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on'

export const insert = 'insert into item (name, price) values (?, ?)'
export const select = 'select id, name, price from item where id = ?'

/** Files, and whatever else is disposed with them, last in, first out. */
export class Folder implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'unwind-bench-'))
  readonly #opened: (() => void)[] = []

  path(name: string): string {
    return join(this.#path, name)
  }

  defer(close: () => void): void {
    this.#opened.push(close)
  }

  [Symbol.dispose](): void {
    for (const close of this.#opened.toReversed()) close()
    rmSync(this.#path, { recursive: true, force: true })
  }
}

interface Raw {
  exec(sql: string): unknown
  prepare(sql: string): { run(...parameters: (string | number)[]): unknown }
}

/** As one would write it without a library. */
export function byHand(name: string, db: Raw, inTransaction: () => boolean): Case {
  const begin = db.prepare('begin immediate')
  const commit = db.prepare('commit')
  const rollback = db.prepare('rollback')
  const statement = db.prepare(insert)
  return {
    name,
    sync: true,
    operation: () => {
      begin.run()
      try {
        const result = statement.run('lamp', 9.5)
        commit.run()
        return result
      } catch (error) {
        if (inTransaction()) rollback.run()
        throw error
      }
    },
    check: isCounted,
  }
}

/** The ways of the handle to a transaction with one insert. */
export function transactions(open: () => SqliteDatabase): Case[] {
  return [begun(open()), preparedBefore(open()), enclosed(open()), awaited(open())]
}

function begun(db: SqliteDatabase): Case {
  return {
    name: 'begin(), tx.prepare(sql).run, commit',
    sync: true,
    operation: () => {
      const tx = db.begin()
      try {
        const result = tx.prepare(insert).run('lamp', 9.5)
        tx.commit()
        return result
      } finally {
        tx[Symbol.dispose]()
      }
    },
    check: isCounted,
  }
}

/** One in each turn, so that the guard against an await is queued for each. */
function preparedBefore(db: SqliteDatabase): Case {
  return {
    name: 'the same, each in a tick of its own',
    operation: async () => {
      const tx = db.begin()
      try {
        const result = tx.prepare(insert).run('lamp', 9.5)
        tx.commit()
        return result
      } finally {
        tx[Symbol.dispose]()
      }
    },
    check: isCounted,
  }
}

function enclosed(db: SqliteDatabase): Case {
  const statement = db.prepare(insert)
  const body = (): unknown => statement.run('lamp', 9.5)
  return {
    name: 'transaction(fn)',
    sync: true,
    operation: () => db.transaction(body),
    check: isCounted,
  }
}

function awaited(db: SqliteDatabase): Case {
  return {
    name: 'await write(), tx.prepare(sql).run, commit',
    operation: async () => {
      const tx = await db.write()
      try {
        const result = tx.prepare(insert).run('lamp', 9.5)
        tx.commit()
        return result
      } finally {
        await tx[Symbol.asyncDispose]()
      }
    },
    check: isCounted,
  }
}

/** Each operation adds one row. */
function isCounted(result: unknown): void {
  const { changes, lastInsertRowid } = result as { changes: number; lastInsertRowid: number }
  assert.equal(changes, 1)
  assert.ok(lastInsertRowid > 0)
}

/** Every case reads the same row. */
export function reading(name: string, operation: () => unknown): Case {
  return { name, sync: true, operation, check: isItem }
}

function isItem(row: unknown): void {
  assert.deepEqual({ ...(row as object) }, { id: 500, name: 'item 500', price: 125 })
}

export function fill(db: Raw): void {
  db.exec(schema)
  const add = db.prepare(insert)
  for (let n = 1; n <= 1_000; n += 1) add.run(`item ${n}`, n / 4)
}
