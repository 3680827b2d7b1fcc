/**
 * One server that works after one of the patterns: `node bench/patterns/service.ts PATTERN CONFIG`, started by
 * scenario.ts. It sends its port, and how much memory it has whenever it is asked.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PoolConfig } from 'pg'
import type { PatternName } from './patterns.ts'
import { closed, leased, neverClosed, pooledByHand } from './requests.ts'
import { withDisconnect, withoutDisconnect } from './sockets.ts'

const serve: Readonly<Record<PatternName, (server: Server, config: PoolConfig) => unknown>> = {
  'never closed': (server, config) => server.on('request', neverClosed(config)),
  closed: (server, config) => server.on('request', closed(config)),
  pooled: (server, config) => server.on('request', pooledByHand(config)),
  leased: (server, config) => server.on('request', leased(config)),
  'sockets, no disconnect': withoutDisconnect,
  'sockets, unwind': withDisconnect,
}

const [pattern = '', config = ''] = process.argv.slice(2)
const server = createServer()
// Given by scenario.ts.
serve[pattern as PatternName](server, JSON.parse(config) as PoolConfig)
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('message', () => process.send?.(process.memoryUsage.rss()))
process.on('disconnect', () => process.exit())
