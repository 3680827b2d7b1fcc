import { spawnSync } from 'node:child_process'

/** What `script` prints in a process of its own. */
export function printed(script: string, ...flags: string[]): unknown {
  const { stdout } = spawnSync(
    process.execPath,
    [...flags, '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script],
    { cwd: new URL('.', import.meta.resolve('unwind/package.json')), encoding: 'utf8' },
  )
  return JSON.parse(stdout)
}
