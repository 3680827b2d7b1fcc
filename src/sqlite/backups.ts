/**
 * Running backups. What is copied is committed and of one moment: a snapshot of the file where SQLite can keep one
 * (WAL), else the writer's connection while no transaction is open. A backup that is stopped leaves no file.
 */
import { rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { whenAborted } from '../core/deadline.ts'
import { UnwindError } from '../core/errors/errors.ts'
import { isError } from '../core/errors/format.ts'
import { pragmaOf, type DriverDatabase } from './driver.ts'
import { busy, cannotBackUp, isResult, misuse } from './errors.ts'
import { identityOf } from './file.ts'
import type { SqliteBackupProgress } from './types.ts'
import type { Writer } from './writer.ts'

export interface BackupOptions {
  signal?: AbortSignal
  onProgress?(done: SqliteBackupProgress): void
}

/** Milliseconds without a page, at least: the drivers ask again at once, and would do so for ever. */
const patience = 1_000

/** Where a backup is being written. A second one would fail there, and remove the file of the first. */
const targets = new Set<string>()

/** Opens a connection that keeps seeing the file as it is now; `undefined` where that would block others. */
type OpenSnapshot = () => DriverDatabase | undefined

export class Backups {
  readonly #writer: Writer
  readonly #file: string | undefined
  readonly #openSnapshot: OpenSnapshot
  readonly #running = new Map<Backup, Promise<void>>()

  /** @param file the identity of what is copied */
  constructor(writer: Writer, file: string | undefined, openSnapshot: OpenSnapshot) {
    this.#writer = writer
    this.#file = file
    this.#openSnapshot = openSnapshot
  }

  async start(path: string, options: BackupOptions): Promise<void> {
    void this.#writer.open
    const there = identityOf(path)
    if (there !== undefined && there === this.#file) throw ontoItself(path)
    // The file may not be there yet, and a folder may have several names.
    const target = join(identityOf(dirname(path)) ?? '', basename(path))
    if (targets.has(target)) throw alreadyWritten(this.#writer.file, path)
    const backup = new Backup(this.#writer, path, there === undefined, options)
    const running = this.#run(backup, options.signal)
    this.#running.set(backup, running)
    targets.add(target)
    try {
      await running
    } finally {
      targets.delete(target)
      this.#running.delete(backup)
    }
  }

  /** Stop them all; their promises reject. Resolves when they have. */
  async stop(reason: unknown): Promise<void> {
    const running = [...this.#running.values()]
    for (const backup of this.#running.keys()) backup.stop(reason)
    await Promise.allSettled(running)
  }

  async #run(backup: Backup, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const stopListening = signal && whenAborted(signal, () => backup.stop(signal.reason))
    try {
      const snapshot = backup.explaining(this.#openSnapshot)
      await (snapshot === undefined ? backup.ofWriter(signal) : backup.ofSnapshot(snapshot))
    } finally {
      stopListening?.()
    }
  }
}

class Backup {
  readonly #writer: Writer
  readonly #path: string
  readonly #options: BackupOptions
  /** Only what was not there before is removed. */
  readonly #isNew: boolean
  #snapshot: DriverDatabase | undefined = undefined
  #stopped: { readonly reason: unknown } | undefined = undefined
  #remaining = -1
  /** When that changed, on the clock of `performance`. */
  #advanced = 0

  constructor(writer: Writer, path: string, isNew: boolean, options: BackupOptions) {
    this.#writer = writer
    this.#path = path
    this.#isNew = isNew
    this.#options = options
  }

  /** At the next page, or at once where that is possible. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason }
    this.#closeSnapshot()
  }

  /** What `run` gives, or an error that says which backup it was. */
  explaining<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw this.#explained(error)
    }
  }

  async ofSnapshot(snapshot: DriverDatabase): Promise<void> {
    this.#snapshot = snapshot
    try {
      await this.#copy(snapshot)
    } finally {
      this.#closeSnapshot()
    }
  }

  async ofWriter(signal: AbortSignal | undefined): Promise<void> {
    const goOn = await this.#writer.pause(signal)
    try {
      await this.#copy(this.#writer.connection.driver)
    } finally {
      goOn()
    }
  }

  async #copy(source: DriverDatabase): Promise<void> {
    try {
      const { totalPages } = await source.backup(this.#path, {
        progress: (done) => this.#step(done),
      })
      // Where it finds one of the two busy at its first step, better-sqlite3 takes nothing for all of it.
      const isCut = totalPages === 0 && Number(pragmaOf(source, 'page_count')) > 0
      if (isCut) throw this.#busy(undefined)
      this.#step({ totalPages, remainingPages: 0 })
    } catch (error) {
      if (this.#isNew) rmSync(this.#path, { force: true })
      throw this.#stopped === undefined ? this.#explained(error) : this.#stopped.reason
    }
  }

  /** The driver stops where this throws. */
  #step({ totalPages, remainingPages }: { totalPages: number; remainingPages: number }): undefined {
    this.#throwIfStopped()
    if (remainingPages > 0 && remainingPages === this.#remaining) {
      this.#throwIfHeld()
      return
    }
    this.#remaining = remainingPages
    this.#advanced = performance.now()
    try {
      this.#options.onProgress?.({ total: totalPages, remaining: remainingPages })
    } catch (error) {
      this.stop(error)
    }
    this.#throwIfStopped()
  }

  /** In the middle of a file with a rollback journal, another process can be writing. */
  #throwIfHeld(): void {
    const limit = Math.max(this.#writer.open.busyTimeout, patience)
    if (performance.now() - this.#advanced > limit) throw this.#busy(undefined)
  }

  #throwIfStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped.reason
  }

  #closeSnapshot(): void {
    if (this.#snapshot?.open === true) this.#snapshot.close()
  }

  #explained(error: unknown): Error {
    if (error instanceof UnwindError) return error
    // And node:sqlite says of that first step that nothing failed.
    if (isResult(error, 'SQLITE_BUSY') || isResult(error, 'SQLITE_OK')) return this.#busy(error)
    const message = isError(error) ? error.message : String(error)
    return cannotBackUp(
      `Cannot copy "${this.#writer.file}" to "${this.#path}": ${message}. Give the path of a file in a folder that exists and can be written to.`,
      error,
    )
  }

  #busy(error: unknown): Error {
    return busy(
      `Cannot copy "${this.#writer.file}" to "${this.#path}": another connection holds one of them, in this process or another. Try again later.`,
      error,
    )
  }
}

function alreadyWritten(file: string, path: string): Error {
  return busy(
    `Cannot copy "${file}" to "${path}": another backup is being written there. Wait for it, or give the path of another file.`,
  )
}

function ontoItself(path: string): Error {
  return misuse(`backup(): "${path}" is the database itself. Give the path of another file.`)
}
