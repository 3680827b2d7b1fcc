/** A server and a client in two network namespaces, and a cable between them that is pulled. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))

/** Why this machine cannot do it; false where it can. */
export function vanishingNeeds(): string | false {
  const script = 'ip link add v0 type veth peer name v1 && ip link set v0 up'
  const { status } = spawnSync('unshare', ['-n', 'sh', '-c', script], { timeout: 30_000 })
  return status === 0 ? false : 'needs network namespaces, which this machine does not allow'
}

/** The modules at the two ends of the cable. */
export interface Ends {
  /**
   * Exports `serve(host, call, cut)`, which is over when it resolves: `call()` has the client connect, and `cut()` takes
   * the link down without a word to either.
   */
  readonly server: string
  /** Exports `connect(host)`. */
  readonly client: string
}

/** The lines that the server prints. */
export async function vanished({ server, client }: Ends): Promise<string[]> {
  // Beside the package: it is imported by its name.
  await mkdir(join(root, 'build'), { recursive: true })
  const folder = await mkdtemp(join(root, 'build', 'vanished-'))
  try {
    await writeFile(join(folder, 'serve.mjs'), server)
    await writeFile(join(folder, 'connect.mjs'), client)
    await writeFile(join(folder, 'client.mjs'), clientMain)
    await writeFile(join(folder, 'main.mjs'), main)
    const { stdout } = await promisify(execFile)(
      'unshare',
      ['-n', process.execPath, join(folder, 'main.mjs')],
      { timeout: 40_000 },
    )
    return stdout.split('\n').filter((line) => line !== '')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const main = `
import { execFileSync as run, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { serve } from './serve.mjs'

const client = fileURLToPath(new URL('client.mjs', import.meta.url))
const child = spawn('unshare', ['-n', process.execPath, client], { stdio: ['pipe', 'pipe', 'inherit'] })
await once(child.stdout, 'data')
run('ip', ['link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1'])
run('ip', ['link', 'set', 'v1', 'netns', String(child.pid)])
run('ip', ['addr', 'add', '10.9.0.1/24', 'dev', 'v0'])
run('ip', ['link', 'set', 'v0', 'up'])
await serve('10.9.0.1', () => child.stdin.write('go'), () => run('ip', ['link', 'set', 'v0', 'down']))
child.kill('SIGKILL')
process.exit()
`

const clientMain = `
import { execFileSync as run } from 'node:child_process'
import { once } from 'node:events'
import { connect } from './connect.mjs'

console.log('in a namespace of its own')
process.stdin.on('end', () => process.exit())
await once(process.stdin, 'data')
run('ip', ['addr', 'add', '10.9.0.2/24', 'dev', 'v1'])
run('ip', ['link', 'set', 'v1', 'up'])
connect('10.9.0.1')
`
