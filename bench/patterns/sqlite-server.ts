/**
 * What does a scope and a transaction for each request cost a server that takes orders into an SQLite file?
 * Baseline: the same by hand; the same once more shows the noise. `node bench/patterns/sqlite-server.ts [ROUNDS] [REQUESTS]`
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would time each other
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import BetterSqlite3 from 'better-sqlite3'
import { median } from '../harness.ts'
import { describeMachine, machine } from '../report.ts'
import { load } from '../support/load.ts'
import { Folder, settings } from '../support/sqlite.ts'
import { ways } from '../support/sqlite-server.ts'

interface Server {
  readonly way: string
  readonly child: ChildProcess
  readonly path: string
  readonly port: number
  visits: number
}

interface Sample {
  readonly perSecond: number
  /** Microseconds of the server for one request. */
  readonly cpu: number
}

const [rounds = 15, requests = 3_000] = process.argv.slice(2).map(Number)
const stock = 1_000_000_000

const folder = new Folder()
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const script = new URL(`../support/sqlite-server${extension}`, import.meta.url)
try {
  await main()
} finally {
  folder[Symbol.dispose]()
}

async function main(): Promise<void> {
  const servers: Server[] = []
  for (const way of Object.keys(ways)) servers.push(await start(way))
  for (const server of servers) await visit(server)
  const samples = new Map<string, Sample[]>(servers.map(({ way }) => [way, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const server of servers.toSorted(() => Math.random() - 0.5)) {
      samples.get(server.way)?.push(await visit(server))
    }
  }
  for (const server of servers) await stop(server)
  console.log(describeMachine(machine(process.execPath)))
  print(samples)
}

async function start(way: string): Promise<Server> {
  const path = folder.path(`${Object.keys(ways).indexOf(way)}.db`)
  const db = new BetterSqlite3(path)
  db.exec(`${settings};
    create table stock (item text primary key, left integer not null);
    create table orders (id integer primary key, item text not null);
    insert into stock values ('lamp', ${stock})`)
  db.close()
  const child = fork(script, [way, path])
  const { port } = await answerOf<{ port: number }>(child)
  return { way, child, path, port, visits: 0 }
}

async function visit(server: Server): Promise<Sample> {
  const before = await cpuOf(server)
  const took = await load({ port: server.port, connections: 16, requests })
  const after = await cpuOf(server)
  server.visits += 1
  return { perSecond: (requests / took) * 1_000, cpu: (after - before) / requests }
}

async function cpuOf({ child }: Server): Promise<number> {
  child.send('cpu')
  const { cpu } = await answerOf<{ cpu: NodeJS.CpuUsage }>(child)
  return cpu.user + cpu.system
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T]
  return message
}

/** Every answer is an order in the file, and nothing else is. */
async function stop({ way, child, path, visits }: Server): Promise<void> {
  child.disconnect()
  await once(child, 'exit')
  const db = new BetterSqlite3(path)
  const sold = db.prepare('select count(*) from orders').pluck().get() as number
  const left = db.prepare('select left from stock').pluck().get() as number
  db.close()
  assert.deepEqual([sold, stock - left], [visits * requests, visits * requests], way)
}

function print(samples: ReadonlyMap<string, readonly Sample[]>): void {
  const [baseline = []] = samples.values()
  line('', 'req/s', 'ratio', 'CPU µs/req', 'CPU ratio')
  for (const [way, own] of samples) {
    const ratio = (of: keyof Sample): string =>
      median(own.map((sample, round) => sample[of] / (baseline[round]?.[of] ?? NaN))).toFixed(3)
    const middle = (of: keyof Sample): string => median(own.map((sample) => sample[of])).toFixed(1)
    line(way, middle('perSecond'), ratio('perSecond'), middle('cpu'), ratio('cpu'))
  }
}

function line(way: string, ...cells: string[]): void {
  console.log(way.padEnd(45), ...cells.map((cell) => cell.padStart(12)))
}
