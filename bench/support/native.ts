/**
 * The language's own `await using`, where this Node.js has it: a file that has it in its text does not even load
 * where it is unknown, hence the dynamic import.
 */
import type * as Using from './using.ts'

export const nativeUsing: typeof Using | undefined = await load()

async function load(): Promise<typeof Using | undefined> {
  try {
    // oxlint-disable-next-line no-new, no-new-func, typescript/no-implied-eval -- asks the parser
    new Function('return async () => { await using nothing = null }')
  } catch {
    return undefined
  }
  return await import('./using.ts')
}
