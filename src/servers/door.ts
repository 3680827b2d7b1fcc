/**
 * The door of a server: the system resets connections that it has made and that nobody has accepted when the server
 * stops listening.
 */
import type { EventEmitter } from 'node:events'

/** Milliseconds: new connections that never cease must not keep a server open. */
const longestWait = 1_000

/** Turns of the event loop that tell how short one can be, and milliseconds in which the demand on them falls by that much. */
const firstTurns = 20
const slackening = 20

/**
 * Call `act` when nobody stands at the door: not in a turn of the event loop that accepts a connection, and in one of
 * the shortest, because one may have come since the loop looked for events, and nobody can ask.
 */
export function whenNobodyWaits(server: EventEmitter, act: () => void): void {
  const begin = performance.now()
  let accepted = false
  let turns = 0
  let shortest = Infinity
  let start = begin
  const accept = (): void => {
    accepted = true
  }
  const look = (): void => {
    const now = performance.now()
    const waited = now - begin
    const turn = now - start
    shortest = Math.min(shortest, turn)
    // Where few turns are short, the less long ones have to do.
    const short = turns > firstTurns && turn <= shortest * (1 + waited / slackening)
    if ((short && !accepted) || waited > longestWait) {
      server.off('connection', accept)
      act()
      return
    }
    turns += 1
    accepted = false
    start = now
    setImmediate(look)
  }
  server.on('connection', accept)
  setImmediate(look)
}
