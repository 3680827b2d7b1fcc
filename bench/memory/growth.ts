/**
 * Does the heap grow with the number of scopes that have been? `node bench/memory/growth.ts COUNT`, started by run.ts,
 * which is sent the bytes that it grew by from one tenth of them to the end.
 */
// oxlint-disable no-await-in-loop -- one scope after the other
import { createApp, resource } from 'unwind'
import { Connection } from '../support/connection.ts'
import { heap } from './heap.ts'

const app = createApp({ name: 'bench' })
const connection = resource({
  name: 'connection',
  acquire: async () => new Connection(),
  release: async (held) => held.end(),
})
const count = Number(process.argv[2])

await many(count / 10)
const before = await heap()
await many(count - count / 10)
process.send?.((await heap()) - before)
await app.close()
process.disconnect?.()

/** Every other one acquires. */
async function many(number: number): Promise<void> {
  for (let done = 0; done < number; done += 2) {
    await app.run(async (scope) => scope.use(new Connection()).answer())
    await app.run(async (scope) => (await scope.get(connection)).answer())
  }
}
