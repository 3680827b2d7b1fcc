/** A PgBouncer in front of the server of the tests, where one is installed. Stopped by its process id. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

import { collect, environment, serverAccount } from '../../support/postgres-files.ts'
import { databaseUrl } from './database.ts'

/** Why there is none; `undefined` where there is. */
export function missingPgBouncer(): string | undefined {
  const { status } = spawnSync('pgbouncer', ['--version'], { stdio: 'ignore' })
  return status === 0 ? undefined : 'pgbouncer is not on the PATH'
}

export interface PgBouncer extends AsyncDisposable {
  readonly url: string
}

/** With two sessions of the server for all of its clients. */
export async function startPgBouncer(mode: 'transaction' | 'session'): Promise<PgBouncer> {
  const account = await serverAccount()
  const folder = await mkdtemp('/tmp/unwind-pgbouncer-')
  const port = await freePort()
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(file, configuration(mode, port))
  if (account !== undefined) {
    await chown(folder, account.uid, account.gid)
    await chown(file, account.uid, account.gid)
  }
  const child = spawn('pgbouncer', [file], { ...account, cwd: folder, env: environment() })
  await started(child)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async [Symbol.asyncDispose]() {
      await stop(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function configuration(mode: string, port: number): string {
  const { hostname, port: target, username, password, pathname } = new URL(databaseUrl())
  const server = [
    `host=${hostname}`,
    `port=${target || 5432}`,
    `dbname=${pathname.slice(1) || 'postgres'}`,
    `user=${username || 'postgres'}`,
    ...(password ? [`password=${password}`] : []),
  ]
  return `[databases]
postgres = ${server.join(' ')}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${mode === 'transaction' ? 2 : 10}
ignore_startup_parameters = extra_float_digits
`
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

async function started(child: ChildProcess): Promise<void> {
  const output = collect(child)
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(`PgBouncer did not start:\n${output()}`)))
    child.stderr?.on('data', () => {
      if (output().includes('process up')) resolve()
    })
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await closed
  clearTimeout(force)
}
