/** Native `await using`, to be imported through native.ts alone. */
import { Connection } from './connection.ts'

export async function holdNatively(): Promise<number> {
  await using held = new Connection()
  return held.answer()
}
