/** Run a module in a process of its own: for what a test runner would catch itself, such as an unhandled rejection. */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))

const prelude = `
import { createApp, currentScope, hold, inject, resource, run, value } from 'unwind'
import { setImmediate as turn } from 'node:timers/promises'
process.on('unhandledRejection', (error) => console.log('unhandled', error?.message ?? error))
`

/** The lines that `source` prints; names of `unwind` and `turn` are there, unhandled rejections print a line. */
export async function script(source: string, ...flags: string[]): Promise<string[]> {
  const parameters = [...flags, '--input-type=module', '--eval', prelude + source]
  const { stdout } = await promisify(execFile)(process.execPath, parameters, {
    cwd: root,
    timeout: 120_000,
  })
  return stdout.split('\n').filter((line) => line !== '')
}
