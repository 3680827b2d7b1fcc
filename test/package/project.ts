/** An empty project with the package installed from its tarball, as a user has it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { pathOf } from '../support/repository.ts'

export interface Ran {
  readonly code: number | null
  readonly out: string
}

export class Project implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'unwind-package-'))

  /** Packs the repository, unless `tarball` was packed already. */
  constructor(tarball?: string) {
    this.write('package.json', JSON.stringify({ name: 'user', type: 'module', private: true }))
    const packed = tarball ?? this.#pack()
    const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', packed]
    execFileSync('npm', install, { cwd: this.folder, stdio: ['ignore', 'ignore', 'inherit'] })
  }

  #pack(): string {
    const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', this.folder]
    const name = execFileSync('npm', words, { cwd: pathOf('.'), encoding: 'utf8' })
    return join(this.folder, name.trim())
  }

  /** The files of the installed package, with the place of its folder. */
  get installed(): string {
    return join(this.folder, 'node_modules/unwind')
  }

  write(path: string, text: string): void {
    const file = join(this.folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8')
  }

  /** Adds a peer, without a download: the one that this repository develops with. */
  link(peer: string): void {
    const place = join(this.folder, 'node_modules', peer)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(pathOf(`node_modules/${peer}`), place)
  }

  unlink(peer: string): void {
    rmSync(join(this.folder, 'node_modules', peer))
  }

  run(command: string, words: readonly string[], folder = this.folder): Ran {
    const env = { ...process.env, NO_COLOR: '1' }
    const ran = spawnSync(command, words, { cwd: folder, encoding: 'utf8', env, timeout: 120_000 })
    return { code: ran.status, out: ran.stdout + ran.stderr }
  }

  /** @param type whether `code` is a module, or what `require` loads */
  evaluate(code: string, type: 'module' | 'commonjs' = 'module', ...flags: string[]): Ran {
    return this.run(process.execPath, [...flags, `--input-type=${type}`, '--eval', code])
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
