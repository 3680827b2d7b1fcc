/**
 * The test command: `node test/support/run.ts [--node PATH] [flags of node --test] GLOB...`
 * A PostgreSQL runs meanwhile, unless DATABASE_URL names one. Its exit code is that of the tests.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, constants } from 'node:os'

import { startPostgres } from './postgres.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(parameters: string[]): Promise<number> {
  const { node, rest } = splitNode(parameters)
  // Before the server starts: a signal that comes meanwhile must not leave it behind.
  const interrupted = new Promise<NodeJS.Signals>((resolve) => {
    process.on('SIGINT', resolve)
    process.on('SIGTERM', resolve)
  })
  const given = process.env['DATABASE_URL']
  await using server = given ? null : await startPostgres()
  // One file more than there are cores: now and then each of them waits, for a server, a socket or a process.
  const concurrency = `--test-concurrency=${availableParallelism() + 1}`
  const tests = spawn(node, ['--test', concurrency, ...rest], {
    stdio: 'inherit',
    env: { ...process.env, DATABASE_URL: given || server?.url },
  })
  void interrupted.then((signal) => tests.kill(signal))
  return await exitCode(tests)
}

function splitNode(parameters: string[]): { node: string; rest: string[] } {
  const at = parameters.indexOf('--node')
  if (at === -1) return { node: process.execPath, rest: parameters }
  const node = parameters[at + 1]
  if (node === undefined) throw new TypeError('--node wants a path.')
  return { node, rest: parameters.toSpliced(at, 2) }
}

async function exitCode(child: ChildProcess): Promise<number> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}
