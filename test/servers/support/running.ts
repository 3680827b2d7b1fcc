/** A process that prints lines, and how it ends. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { within } from '../../core/support/promises.ts'
import type { ServiceOptions } from './service.ts'

export interface RunningService {
  readonly port: number
  readonly lines: readonly string[]
  kill(signal: NodeJS.Signals): void
  /** Resolves once a line with this beginning was printed, `times` times. */
  printed(beginning: string, times?: number): Promise<void>
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

export async function startService(
  t: TestContext,
  options: ServiceOptions = {},
): Promise<RunningService> {
  const file = new URL(`./service${extname(import.meta.url)}`, import.meta.url)
  const child = spawn(process.execPath, [fileURLToPath(file), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const output = createInterface(child.stdout).on('line', (line) => lines.push(line))
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal)
  const printed = async (beginning: string, times: number = 1): Promise<void> => {
    while (lines.filter((line) => line.startsWith(beginning)).length < times) {
      await Promise.race([
        once(output, 'line'),
        ended.then(() => Promise.reject(lostAt(beginning))),
      ])
    }
  }
  const lostAt = (beginning: string): Error =>
    new Error(`It ended before it printed "${beginning}":\n${lines.join('\n')}`)
  await printed('port')
  const port = Number(lines.find((line) => line.startsWith('port'))?.slice(5))
  return {
    port,
    lines,
    kill: (signal) => child.kill(signal),
    printed: (beginning, times) => within(printed(beginning, times)),
    ended,
  }
}
