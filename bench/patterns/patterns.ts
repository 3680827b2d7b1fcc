/** The patterns by name, and what is found out about each. */

export type PatternName =
  'never closed' | 'closed' | 'pooled' | 'leased' | 'sockets, no disconnect' | 'sockets, unwind'

export const requestPatterns: readonly PatternName[] = [
  'never closed',
  'closed',
  'pooled',
  'leased',
]
export const socketPatterns: readonly PatternName[] = ['sockets, no disconnect', 'sockets, unwind']

export const titles: Readonly<Record<PatternName, string>> = {
  'never closed': 'a connection for each request, never closed',
  closed: 'a connection for each request, closed',
  pooled: 'a pool by hand: connect, release',
  leased: 'unwind: leased for the request',
  'sockets, no disconnect': 'WebSockets without disconnect handling',
  'sockets, unwind': 'unwind/ws: serveSockets',
}

/** Between the service and its database. */
export interface Distance {
  /** Milliseconds. */
  readonly roundTrip: number
  readonly handshake: 'SCRAM' | 'SCRAM + TLS'
}

/** How much is asked, and how long is waited. Milliseconds. */
export interface Effort {
  /** Of requests under load; whichever of the two comes first. */
  readonly ms: number
  readonly requests: number
  /** Of one client alone. */
  readonly alone: { readonly ms: number; readonly requests: number }
  /** WebSocket clients, one after the other in each of the places. */
  readonly sockets: number
  /** Until a client gives up. */
  readonly patience: number
  /** Until connections that nobody uses must be closed, where a pattern closes them at all. */
  readonly settle: number
}

/** What the clients saw. */
export interface Traffic {
  /** Milliseconds of each answer. */
  readonly latencies: number[]
  /** Milliseconds of it all. */
  ms: number
  errors: number
  firstError: { readonly answers: number; readonly ms: number; readonly text: string } | undefined
}

export interface Finding {
  readonly pattern: PatternName
  readonly distance: Distance
  /** Milliseconds of the middle request of one client that asks alone. */
  readonly alone: number | undefined
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly errors: number
  readonly firstError: Traffic['firstError']
  /** Connections that the server saw at the same time, at most. */
  readonly backends: number
  /** Those that were still open when every client had left. */
  readonly left: number
  /** Bytes of the process, at most. */
  readonly memory: number
}

/** Nothing closes what these have opened. */
export function leaves(pattern: PatternName): boolean {
  return pattern === 'never closed' || pattern === 'sockets, no disconnect'
}

export function newTraffic(): Traffic {
  return { latencies: [], ms: 0, errors: 0, firstError: undefined }
}

/** @param began when the traffic did */
export function noteError(traffic: Traffic, began: number, text: string): void {
  traffic.errors += 1
  traffic.firstError ??= {
    answers: traffic.latencies.length,
    ms: performance.now() - began,
    text,
  }
}
