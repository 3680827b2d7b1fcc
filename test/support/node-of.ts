/** Other versions of Node.js, from the registry. */
import { spawnSync } from 'node:child_process'

/**
 * The path of the newest Node.js of a major version.
 * @throws {Error} where npm finds none
 */
export function nodeOf(major: string): string {
  const print = ['--', 'node', '-p', 'process.execPath']
  const words = ['exec', '--yes', `--package=node@${major}`, ...print]
  const { stdout, status } = spawnSync('npm', words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm found no Node.js ${major}.`)
  return stdout.trim()
}
