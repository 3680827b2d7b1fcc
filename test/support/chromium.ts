/** A real Chromium, unpacked from the registry's package once for each clone of this repository. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import packed, { inflate } from '@sparticuz/chromium'
import { chromium, type Browser } from 'playwright-core'

import { pathOf, read } from './repository.ts'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The caller closes it. */
export async function launch(): Promise<Browser> {
  const folder = await unpacked()
  // Also on machines that lack them: the libraries that the package brings along. The machine's own come first.
  const libraries = [
    process.env['LD_LIBRARY_PATH'],
    '/lib/x86_64-linux-gnu',
    '/usr/lib/x86_64-linux-gnu',
  ]
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: [...libraries, join(folder, 'al2023', 'lib')].filter(Boolean).join(':'),
  }
  const executablePath = join(folder, 'chromium')
  return chromium.launch({ executablePath, args: flags, env, timeout: 60_000 })
}

/** Files that are tested side by side may all want it: whoever is last throws its own away. */
async function unpacked(): Promise<string> {
  const { version } = JSON.parse(read('node_modules/@sparticuz/chromium/package.json')) as {
    version: string
  }
  const cache = pathOf('node_modules/.cache')
  const folder = join(cache, `chromium-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(join(cache, 'chromium-'))
  const before = process.env['TMPDIR']
  // Where the package puts its files.
  process.env['TMPDIR'] = fresh
  try {
    await packed.executablePath()
    await inflate(pathOf('node_modules/@sparticuz/chromium/bin/al2023.tar.br'))
    renameSync(fresh, folder)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
  return folder
}
