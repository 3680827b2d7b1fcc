/**
 * The declarations under three compilers, checked to the last line: for each kind of module, with and without the types of
 * the peers.
 */
import assert from 'node:assert/strict'

import { read } from '../support/repository.ts'
import { entries } from './entries.ts'
import type { Project } from './project.ts'

const compilers = ['5.9', '6', '7'] as const
type Compiler = (typeof compilers)[number]

interface Consumer {
  readonly name: string
  /** Packages whose types are there. */
  readonly peers: readonly string[]
  readonly source: string
  /** Default: all of them. */
  readonly compilers?: readonly Compiler[]
  /** What is otherwise than in an ES module of Node.js. */
  readonly options?: Readonly<Record<string, string>>
  /** Default: `module`. */
  readonly type?: 'module' | 'commonjs'
}

function importing(names: readonly string[]): string {
  const lines = names.map((name, index) => `import * as entry${index} from '${name}'`)
  const used = `export const all: readonly object[] = [${names.map((_, i) => `entry${i}`).join()}]`
  return [...lines, used].join('\n')
}

const untyped = entries.filter(({ types }) => types.length === 0).map(({ name }) => name)
/** Koa is on its own: the types of Koa and those of Express want two versions of a third package. */
const frameworks = entries.filter(({ name, types }) => types.length > 0 && name !== 'unwind/koa')
/** What a program exports has a type that its own declarations can name. */
const exportingAlone = `
  import { SuppressedError } from 'unwind/stack'
  export const both = new SuppressedError(1, 2)`
const exporting = `
  import { createApp } from 'unwind'
  import { honoFetch } from 'unwind/hono'
  export const fetchInScope = honoFetch(createApp(), { fetch: () => new Response() })`
const consumers: readonly Consumer[] = [
  { name: 'alone', peers: [], source: `${importing(untyped)}\n${exportingAlone}` },
  { name: 'commonjs', peers: [], source: importing(untyped), type: 'commonjs' },
  {
    name: 'bundled',
    peers: [],
    source: importing(untyped),
    options: { module: 'ESNext', moduleResolution: 'Bundler' },
  },
  { name: 'pg', peers: ['@types/pg'], source: read('test/package/consumer.ts') },
  {
    name: 'frameworks',
    peers: frameworks.flatMap(({ types }) => types),
    source: `${importing(frameworks.map(({ name }) => name))}\n${exporting}`,
    compilers: ['5.9', '7'],
  },
  { name: 'koa', peers: ['@types/koa'], source: importing(['unwind/koa']), compilers: ['7'] },
]

/** `skipLibCheck` is off: what is wrong in a declaration of ours is an error. */
const compilerOptions = {
  target: 'ES2022',
  lib: ['ES2022', 'ESNext.Disposable'],
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  declaration: true,
  noEmit: true,
}

function write(project: Project, { name, source, options, type = 'module' }: Consumer): void {
  const configuration = { compilerOptions: { ...compilerOptions, ...options }, include: ['*.ts'] }
  project.write(`${name}/consumer.ts`, source)
  project.write(`${name}/tsconfig.json`, JSON.stringify(configuration))
  project.write(`${name}/package.json`, JSON.stringify({ type }))
}

export function checkTypes(project: Project): void {
  project.link('@types/node')
  for (const consumer of consumers) write(project, consumer)
  const paths = new Map(compilers.map((compiler) => [compiler, pathOfCompiler(project, compiler)]))
  for (const consumer of consumers) {
    for (const peer of consumer.peers) project.link(peer)
    for (const compiler of consumer.compilers ?? compilers) {
      check(project, consumer, compiler, paths.get(compiler) ?? '')
    }
    for (const peer of consumer.peers) project.unlink(peer)
  }
  const names = consumers.map(({ name }) => name).join(', ')
  console.log(`types: TypeScript ${compilers.join(', ')}; ${names}`)
}

function pathOfCompiler(project: Project, compiler: Compiler): string {
  const words = ['exec', '--yes', `--package=typescript@${compiler}`, '--', 'which', 'tsc']
  const { code, out } = project.run('npm', words)
  assert.equal(code, 0, out)
  return out.trim()
}

function check(project: Project, { name }: Consumer, compiler: Compiler, tsc: string): void {
  const { code, out } = project.run(process.execPath, [tsc, '--project', name])
  // What is wrong in the declarations of a peer is its own affair.
  const ours = out
    .split('\n')
    .filter((line) => /^(?:error|node_modules\/unwind\/|[\w-]+\/consumer\.ts)/.test(line))
  assert.deepEqual(ours, [], `TypeScript ${compiler}, ${name}`)
  assert.ok(code === 0 || out.includes('error TS'), `TypeScript ${compiler}, ${name}: ${out}`)
}
