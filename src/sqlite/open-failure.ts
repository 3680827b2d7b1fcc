/**
 * Why a database could not be opened. SQLite says "unable to open database file" for nearly everything; the file system
 * knows more.
 */
import { accessSync, constants, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { UnwindError } from '../core/errors/errors.ts'
import { isError } from '../core/errors/format.ts'
import { becauseBusy, busy, cannotOpen, isBusyInside, isResult } from './errors.ts'

export function openFailure(path: string, error: unknown): UnwindError {
  if (error instanceof UnwindError) return error
  if (isResult(error, 'SQLITE_BUSY')) {
    return busy(
      `Cannot open the database "${path}": another process holds it. Try again later, or let it wait with the option \`busyTimeout\`.`,
      error,
    )
  }
  return cannotOpen(`Cannot open the database "${path}": ${reason(path, error)}`, error)
}

function reason(path: string, error: unknown): string {
  if (isBusyInside(error)) {
    return `it is busy, and cannot be set up: ${becauseBusy}. Do this when that is over.`
  }
  const stats = lookUp(path)
  if (stats?.isDirectory()) return 'it is a directory. Give the path of a file.'
  const folder = dirname(path)
  if (stats === undefined && lookUp(folder)?.isDirectory() !== true) {
    return `there is no folder "${folder}". Create it first.`
  }
  if (isResult(error, 'SQLITE_NOTADB')) {
    return 'the file is not an SQLite database. Check the path; the file was not changed.'
  }
  if (!isAllowed(folder) || (stats !== undefined && !isAllowed(path))) {
    return 'this process may not read and write it. Check the permissions of the file and of its folder, in which SQLite keeps two more files; what is only read opens with `defaults: false`.'
  }
  return `${isError(error) ? error.message : String(error)}. Check the path and the file.`
}

/** `undefined` for what is not there or cannot be seen. */
function lookUp(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

function isAllowed(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
