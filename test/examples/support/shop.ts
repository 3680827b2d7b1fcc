/** What the tests of the shop have in common. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Ended } from './example.ts'

export const few = ['--requests', '60', '--sockets', '25']
export const none = ['--requests', '0', '--sockets', '0']
export const balanced = 'Nothing is held, and the books balance.'

export function assertBalanced({ code, out }: Pick<Ended, 'code' | 'out'>): void {
  assert.ok(out.endsWith(`${balanced}\n`), out)
  assert.equal(code, 0)
}

export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'unwind-shop-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
