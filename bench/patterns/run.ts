/**
 * `npm run bench:patterns -- [--quick]`
 * What becomes of a service that opens a connection for each request and never closes it, closes it, or leases one; and
 * of WebSocket handlers that do, or do not, notice that their client has left? 32 clients, a real PostgreSQL, and
 * distances between the two. The exit code is 1 if a pattern of this package fails a client or leaves a connection open.
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would time each other
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { cert, key } from '../../test/pg/support/certificate.ts'
import { startPostgres, type Postgres } from '../../test/support/postgres.ts'
import { describeMachine, machine, type Machine } from '../report.ts'
import {
  requestPatterns,
  socketPatterns,
  type Distance,
  type Effort,
  type Finding,
  type PatternName,
} from './patterns.ts'
import { picture } from './picture.ts'
import { clients, Observer, tryOut, Wire } from './scenario.ts'
import { holds, table, verdicts } from './verdicts.ts'

const full: Effort = {
  ms: 3_000,
  requests: 30_000,
  alone: { ms: 2_500, requests: 40 },
  sockets: 256,
  patience: 2_000,
  settle: 10_000,
}
const quick: Effort = {
  ms: 400,
  requests: 2_000,
  alone: { ms: 200, requests: 5 },
  sockets: 96,
  patience: 2_000,
  settle: 10_000,
}

const distances: readonly Distance[] = (['SCRAM', 'SCRAM + TLS'] as const).flatMap((handshake) =>
  [0, 2, 10, 50].map((roundTrip) => ({ roundTrip, handshake })),
)

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
process.exitCode = (await main(values.quick)) ? 0 : 1

async function main(hurried: boolean): Promise<boolean> {
  const effort = hurried ? quick : full
  const described = machine(process.execPath)
  console.log(
    `\nPatterns of connection lifecycle, ${clients} clients\n${describeMachine(described)}`,
  )
  await using database = await startPostgres({
    auth: 'scram',
    tls: { cert, key },
    settings: { max_connections: '100' },
  })
  const findings: Finding[] = []
  for (const distance of hurried ? [distances[4], distances[6]] : distances) {
    if (distance === undefined) continue
    const found = await over(database, distance, effort, hurried)
    const { roundTrip, handshake } = distance
    console.log(`\nRound trip of ${roundTrip} ms, ${handshake}\n\n${table(found)}\n`)
    for (const verdict of verdicts(found)) console.log(`  ${verdict}`)
    findings.push(...found)
  }
  if (!hurried) await write(described, findings)
  return findings.every(holds)
}

async function over(
  database: Postgres,
  distance: Distance,
  effort: Effort,
  hurried: boolean,
): Promise<Finding[]> {
  await using observer = await Observer.open(database.url)
  await using wire = await Wire.open(database, distance)
  const findings: Finding[] = []
  for (const pattern of patternsOver(distance, hurried)) {
    findings.push(await tryOut(pattern, distance, wire, observer, effort))
  }
  return findings
}

/** In a hurry, only what distance changes. Sockets do not care about the handshake. */
function patternsOver(
  { roundTrip, handshake }: Distance,
  hurried: boolean,
): readonly PatternName[] {
  if (hurried && roundTrip > 0) return ['closed', 'leased']
  return handshake === 'SCRAM' ? requestPatterns : [...requestPatterns, ...socketPatterns]
}

async function write(described: Machine, findings: readonly Finding[]): Promise<void> {
  const name = `patterns-node${described.node.split('.')[0]}`
  const folder = new URL('../results/', import.meta.url)
  const json = JSON.stringify({ machine: described, findings }, null, 2)
  await writeFile(new URL(`${name}.json`, folder), `${json}\n`)
  await writeFile(new URL(`${name}.svg`, folder), picture(described, findings))
}
