/** Files for the SQLite suites: in a folder of their own, set up as `sqlite()` sets its files up, gone with the suite. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const schema = 'create table item (id integer primary key, name text, price real)'

export const settings =
  'pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on'

export interface Folder extends Disposable {
  path(name: string): string
}

export function temporaryFolder(): Folder {
  const folder = mkdtempSync(join(tmpdir(), 'unwind-bench-'))
  return {
    path: (name) => join(folder, name),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
