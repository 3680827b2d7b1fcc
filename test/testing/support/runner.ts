/** Run the tests of a fixture in a process of its own, and see what it says of each. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('.', import.meta.resolve('unwind/package.json')))

export interface Outcome {
  readonly code: number
  readonly output: string
  /** The failing tests, by their names, with what they say. */
  readonly failed: ReadonlyMap<string, string>
  readonly passed: readonly string[]
}

/** A process that knows nothing of the test that starts it. */
export function start(
  parameters: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<{ code: number; output: string }> {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, UNWIND_LEAKS: ___, ...env } = process.env
  return new Promise((resolve) => {
    const options = { cwd: root, env: { ...env, ...more }, timeout: 60_000 }
    const child = execFile(process.execPath, parameters, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    })
  })
}

/** The path of a fixture as this process runs it: compiled, or as it was written. */
export function fixture(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return fileURLToPath(new URL(`../fixtures/${name}${extension}`, import.meta.url))
}

/** `node --test` with these flags; what each test says is read from TAP. */
export async function runTests(name: string, ...flags: string[]): Promise<Outcome> {
  const { code, output } = await start(['--test', '--test-reporter=tap', ...flags, fixture(name)])
  const failed = new Map<string, string>()
  const passed: string[] = []
  for (const part of output.split(/^ *(?=(?:not )?ok \d+ - )/m).slice(1)) {
    const { groups } = /^(?<not>not )?ok \d+ - (?<name>.*)/.exec(part) ?? {}
    const title = groups?.['name'] ?? ''
    if (groups?.['not'] === undefined) passed.push(title)
    else failed.set(title, part)
  }
  return { code, output, failed, passed }
}
