/** The files of this repository, for the tests that read them. The same from `test` and from what is compiled of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('.', import.meta.resolve('unwind/package.json'))

/** @param path from the root of the repository */
export function pathOf(path: string): string {
  return fileURLToPath(new URL(path, root))
}

/** The text of a file. */
export function read(path: string): string {
  return readFileSync(pathOf(path), 'utf8')
}

/** The files below `folder` that end with `ending`, as paths from the root, in the order of the alphabet. */
export function list(folder: string, ending: string): string[] {
  return readdirSync(pathOf(folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .toSorted()
}

export interface Import {
  /** As written. */
  readonly from: string
  /** Whether it is gone when the types are. */
  readonly typeOnly: boolean
}

/** What a source imports or passes on, in the order of its lines. */
export function importsOf(source: string): Import[] {
  const statements = /^(?:import|export)\s+(?<clause>[^'"`;]*?)\bfrom\s+'(?<from>[^']+)'/gm
  const found = [...source.matchAll(statements)].map(({ groups }) => ({
    from: groups?.['from'] ?? '',
    typeOnly: isTypeOnly(groups?.['clause'] ?? ''),
  }))
  const bare = [...source.matchAll(/\bimport\(?\s*'([^']+)'/g)]
  return [...found, ...bare.map(([, from = '']) => ({ from, typeOnly: false }))]
}

function isTypeOnly(clause: string): boolean {
  if (clause.startsWith('type ')) return true
  const names = /^\{(?<names>[^}]*)\}\s*$/.exec(clause)?.groups?.['names']
  if (names === undefined) return false
  return names
    .split(',')
    .map((name) => name.trim())
    .every((name) => name === '' || name.startsWith('type '))
}
