/**
 * A PostgreSQL of our own: real binaries from the registry, data in a temporary folder, on a free port of the loopback
 * and on a unix socket. Stopped by its process id and removed by its owner, or by a guard where the owner was killed.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

import {
  collect,
  environment,
  initialise,
  password,
  prepareFiles,
  serverAccount,
  type Account,
  type ClusterOptions,
  type Files,
} from './postgres-files.ts'

export interface PostgresOptions extends ClusterOptions {
  /** More of postgresql.conf, such as `{ max_connections: '20' }`. */
  settings?: Readonly<Record<string, string>>
}

export interface Postgres extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  readonly host: '127.0.0.1'
  readonly port: number
  /** What `host` is for a connection through the unix socket. */
  readonly socketDirectory: string
  /** Stop the server and remove its data. A second call waits for the first. */
  stop(): Promise<void>
}

const attempts = 3

export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const account = await serverAccount()
  const files = await prepareFiles(account)
  try {
    await initialise(files, account, options)
    return await serve(files, account, options)
  } catch (error) {
    await rm(files.root, { recursive: true, force: true })
    throw error
  }
}

/** A free port can be taken by somebody else before the server has it: then another one is tried. */
async function serve(
  files: Files,
  account: Account | undefined,
  options: PostgresOptions,
): Promise<Postgres> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const server = spawnServer(files, account, port, options)
    const failure = await startUp(server)
    if (failure === undefined) return running(server, files, port, options)
    if (attempt === attempts || !failure.includes('Address already in use')) {
      throw new Error(`PostgreSQL did not start:\n${failure}`)
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

function spawnServer(
  { root, data, native }: Files,
  account: Account | undefined,
  port: number,
  { tls, settings }: PostgresOptions,
): ChildProcess {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: root,
    max_connections: '100',
    shared_buffers: '16MB',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    ssl: tls === undefined ? 'off' : 'on',
    ...settings,
  }
  const parameters = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return spawn(join(native, 'bin', 'postgres'), ['-D', data, '-p', String(port), ...parameters], {
    ...account,
    cwd: root,
    env: environment(),
    // A group of its own: Ctrl-C in a terminal ends the tests first, and they end the server.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** @returns what the server said, where it did not come up */
async function startUp(server: ChildProcess): Promise<string | undefined> {
  const output = collect(server)
  return await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('close', () => resolve(output()))
    server.stderr?.on('data', () => {
      if (output().includes('ready to accept connections')) resolve(undefined)
    })
  })
}

function running(
  server: ChildProcess,
  { root }: Files,
  port: number,
  { auth }: PostgresOptions,
): Postgres {
  const { pid } = server
  if (pid === undefined) throw new Error('A server without a process id.')
  const guard = guardAgainstOurDeath(pid, root)
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= stopServer(server, guard, root))
  const user = auth === 'scram' ? `postgres:${password}` : 'postgres'
  return {
    url: `postgres://${user}@127.0.0.1:${port}/postgres`,
    pid,
    host: '127.0.0.1',
    port,
    socketDirectory: root,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** A shell that waits for the end of its input, which comes when this process ends, however that happens. */
function guardAgainstOurDeath(pid: number, root: string): ChildProcess {
  const script =
    'read -r word && exit; kill -QUIT "$0"; while kill -0 "$0"; do sleep 0.1; done; rm -rf "$1"'
  const guard = spawn('/bin/sh', ['-c', script, String(pid), root], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.unref()
  // Writing to a guard that somebody ended is no fault of the tests.
  guard.stdin?.on('error', () => {})
  return guard
}

async function stopServer(server: ChildProcess, guard: ChildProcess, root: string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    const closed = once(server, 'close')
    // SIGQUIT: at once. Nothing of the data is kept.
    server.kill('SIGQUIT')
    const force = setTimeout(() => server.kill('SIGKILL'), 10_000)
    await closed
    clearTimeout(force)
  }
  await rm(root, { recursive: true, force: true, maxRetries: 3 })
  guard.stdin?.end('done\n')
}
