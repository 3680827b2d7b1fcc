/** `backup()`: a copy of what is committed, or no file. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { SqliteBackupProgress } from 'unwind/better-sqlite3'
import {
  committedIn,
  filesOf,
  insert,
  openAt,
  openFile,
  openMemory,
  openRaw,
  temporaryPath,
} from './support/database.ts'
import { test, type Owned } from './support/drivers.ts'
import { isPending, withCode, within } from './support/promises.ts'

/** Enough pages for several steps of the driver. */
function fill(db: Pick<Owned, 'transaction'>): void {
  const long = 'x'.repeat(3_000)
  db.transaction((tx) => {
    for (let n = 0; n < 600; n += 1) insert(tx, long)
  })
}

for (const kind of ['a file in WAL mode', 'a file with a rollback journal', 'memory'] as const) {
  const open = (t: TestContext): { db: Owned; target: string } => {
    const target = temporaryPath(t, 'copy.db')
    if (kind === 'memory') return { db: openMemory(t).db, target }
    return { db: openFile(t, { defaults: kind === 'a file in WAL mode' }).db, target }
  }

  describe(`a backup of ${kind}`, () => {
    test('it has everything that was committed, and progress comes to its end', async (t) => {
      const { db, target } = open(t)
      fill(db)
      const progress: SqliteBackupProgress[] = []
      await within(db.backup(target, { onProgress: (done) => void progress.push(done) }))
      assert.equal(committedIn(t, target).length, 600)
      assert.ok(progress.length > 2)
      assert.deepEqual(progress.at(-1), { total: progress[0]?.total, remaining: 0 })
      const remaining = progress.map((done) => done.remaining)
      assert.deepEqual(
        remaining,
        remaining.toSorted((a, b) => b - a),
      )
    })

    test('it has nothing of an open transaction', async (t) => {
      const { db, target } = open(t)
      insert(db, 'kept')
      const tx = await db.write()
      insert(tx, 'undone')
      const backup = db.backup(target)
      await turn()
      tx.rollback()
      await within(backup)
      assert.deepEqual(committedIn(t, target), ['kept'])
    })

    test('an abort between pages rejects with its reason and leaves no file', async (t) => {
      const { db, target } = open(t)
      fill(db)
      const reason = new Error('no time')
      const controller = new AbortController()
      let steps = 0
      const onProgress = (): void => {
        steps += 1
        if (steps === 3) controller.abort(reason)
      }
      const backup = db.backup(target, { signal: controller.signal, onProgress })
      await assert.rejects(within(backup), (error) => error === reason)
      assert.equal(steps, 3)
      assert.deepEqual(filesOf(target), [])
      insert(db, 'a')
    })

    test('with a signal that has aborted nothing begins', async (t) => {
      const { db, target } = open(t)
      const signal = AbortSignal.abort('gone')
      await assert.rejects(db.backup(target, { signal }), (error) => error === 'gone')
      assert.deepEqual(filesOf(target), [])
    })

    test('an abort in the last step leaves no file either', async (t) => {
      const { db, target } = open(t)
      const controller = new AbortController()
      const onProgress = ({ remaining }: SqliteBackupProgress): void => {
        if (remaining === 0) controller.abort('late')
      }
      const backup = db.backup(target, { signal: controller.signal, onProgress })
      await assert.rejects(within(backup), (error) => error === 'late')
      assert.deepEqual(filesOf(target), [])
    })

    test('an onProgress that throws stops it with that error', async (t) => {
      const { db, target } = open(t)
      const boom = new Error('boom')
      const onProgress = (): void => {
        throw boom
      }
      await assert.rejects(within(db.backup(target, { onProgress })), (error) => error === boom)
      assert.deepEqual(filesOf(target), [])
    })

    for (const symbol of ['dispose', 'asyncDispose'] as const) {
      test(`a database that is disposed (${symbol}) stops it and leaves no file`, async (t) => {
        const { db, target } = open(t)
        fill(db)
        const begun = Promise.withResolvers<void>()
        const backup = db.backup(target, { onProgress: () => begun.resolve() })
        const stopped = assert.rejects(within(backup), withCode('ERR_DISPOSED', /database "/))
        await begun.promise
        await db[Symbol[symbol]]()
        if (symbol === 'asyncDispose') assert.deepEqual(filesOf(target), [])
        await stopped
        assert.deepEqual(filesOf(target), [])
      })
    }
  })
}

test('writing goes on during a backup of a WAL file, and the copy is of one moment', async (t) => {
  const { db } = openFile(t)
  fill(db)
  const target = temporaryPath(t, 'copy.db')
  let written = 0
  await within(
    db.backup(target, {
      onProgress() {
        insert(db, 'meanwhile')
        written += 1
      },
    }),
  )
  assert.ok(written > 2)
  assert.equal(committedIn(t, target).length, 600)
})

test('where no snapshot can be kept, a writer waits for the backup, and a statement is refused', async (t) => {
  const { db } = openMemory(t)
  fill(db)
  const begun = Promise.withResolvers<void>()
  const backup = db.backup(temporaryPath(t, 'copy.db'), { onProgress: () => begun.resolve() })
  await begun.promise
  assert.throws(() => insert(db, 'stray'), withCode('ERR_SQLITE_BUSY', /is being copied/))
  const writing = db.write()
  await within(backup)
  await using tx = await within(writing)
  insert(tx, 'a')
  tx.commit()
})

test('a backup whose file is taken in the middle of it is busy after a while, and asks nobody meanwhile', async (t) => {
  const { db, path } = openFile(t, { defaults: false })
  fill(db)
  const target = temporaryPath(t, 'copy.db')
  const other = openRaw(t, path)
  let steps = 0
  const onProgress = (): void => {
    steps += 1
    if (steps === 2) other.exec('begin exclusive')
  }
  await assert.rejects(within(db.backup(target, { onProgress })), withCode('ERR_SQLITE_BUSY'))
  assert.equal(steps, 2)
  assert.deepEqual(filesOf(target), [])
  other.exec('rollback')
  let held = true
  await within(
    db.backup(target, {
      onProgress() {
        if (held) other.exec('begin exclusive')
        // It is let go of in time.
        if (held) setImmediate(() => other.exec('rollback'))
        held = false
      },
    }),
  )
  assert.equal(committedIn(t, target).length, 600)
})

test('an existing copy is replaced, and kept as it was when the backup is aborted', async (t) => {
  const { db } = openFile(t)
  const target = temporaryPath(t, 'copy.db')
  insert(db, 'first')
  await db.backup(target)
  fill(db)
  const controller = new AbortController()
  let steps = 0
  const onProgress = (): void => {
    steps += 1
    if (steps === 3) controller.abort('stop')
  }
  const backup = db.backup(target, { signal: controller.signal, onProgress })
  await assert.rejects(within(backup), (error) => error === 'stop')
  assert.deepEqual(committedIn(t, target), ['first'])
  await db.backup(target)
  assert.equal(committedIn(t, target).length, 601)
})

test('a backup leaves nothing open: the WAL files are gone after the dispose', async (t) => {
  const { db, path } = openFile(t)
  fill(db)
  await db.backup(temporaryPath(t, 'copy.db'))
  db[Symbol.dispose]()
  assert.deepEqual(filesOf(path), ['test.db'])
})

for (const symbol of ['dispose', 'asyncDispose'] as const) {
  test(`a dispose (${symbol}) in the middle of a backup leaves no WAL files`, async (t) => {
    const { db, path } = openFile(t)
    fill(db)
    const begun = Promise.withResolvers<void>()
    const target = temporaryPath(t, 'copy.db')
    const backup = db.backup(target, { onProgress: () => begun.resolve() })
    const stopped = assert.rejects(within(backup), withCode('ERR_DISPOSED'))
    await begun.promise
    await db[Symbol[symbol]]()
    await stopped
    assert.deepEqual(filesOf(path), ['test.db'])
    assert.deepEqual(filesOf(target), [])
  })
}

test('a Database of the caller can be copied and stays open', async (t) => {
  const path = temporaryPath(t)
  const raw = openRaw(t, path)
  raw.exec('pragma journal_mode = wal')
  raw.exec("create table item (name text); insert into item values ('a')")
  const target = temporaryPath(t, 'copy.db')
  {
    using db = openAt(t, raw.database)
    await db.backup(target)
  }
  assert.equal(raw.open, true)
  assert.deepEqual(committedIn(t, target), ['a'])
})

test('a wrong target is named, and what stands there is left alone', async (t) => {
  const { db, path } = openFile(t)
  const folder = dirname(path)
  const failed = withCode('ERR_SQLITE_BACKUP', /test\.db" to ".*(missing|other\.txt|unwind-sqlite)/)
  writeFileSync(`${folder}/other.txt`, 'no database')
  await assert.rejects(db.backup(`${folder}/missing/copy.db`), failed)
  await assert.rejects(db.backup(folder), failed)
  await assert.rejects(db.backup(`${folder}/other.txt`), failed)
  assert.equal(readFileSync(`${folder}/other.txt`, 'utf8'), 'no database')
  await assert.rejects(db.backup(path), withCode('ERR_SQLITE_MISUSE', /is the database itself/))
  await assert.rejects(db.backup(''), {
    name: 'TypeError',
    message: /first argument of backup\(\) to be the path of a file, received ''/,
  })
  await assert.rejects(db.backup('x', { progress: 1 } as never), {
    name: 'TypeError',
    message: /Unknown option `progress` of backup\(\)/,
  })
  assert.equal(existsSync('x'), false)
  assert.equal(readdirSync(folder).includes('missing'), false)
})

test('a backup that waits for a transaction gives up at its abort', async (t) => {
  const { db } = openMemory(t)
  const target = temporaryPath(t, 'copy.db')
  await using tx = await db.write()
  const controller = new AbortController()
  const backup = db.backup(target, { signal: controller.signal })
  assert.equal(await isPending(backup), true)
  controller.abort('left')
  await assert.rejects(within(backup), (error) => error === 'left')
  tx.commit()
  await within(db.backup(target))
})
