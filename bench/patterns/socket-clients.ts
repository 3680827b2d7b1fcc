/**
 * WebSocket clients that ask ten questions each and leave as clients do: three of eight with a close frame, four by
 * breaking off, and one without a word, as a laptop that is shut. Then the next one comes.
 */
// oxlint-disable no-await-in-loop -- one question after the other
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { newTraffic, noteError, type Traffic } from './patterns.ts'
import { answer } from './requests.ts'

const questions = 10

export interface Visitors {
  /** At a time. */
  readonly clients: number
  /** In all. */
  readonly sockets: number
  /** Milliseconds until a client gives up. */
  readonly patience: number
}

/** @param silent gets those that say nothing any more; they keep their connection until they are terminated */
export async function visitSockets(
  port: number,
  { clients, sockets, patience }: Visitors,
  silent: WebSocket[],
): Promise<Traffic> {
  const traffic = newTraffic()
  const began = performance.now()
  let come = 0
  const place = async (): Promise<void> => {
    while (come < sockets) {
      const number = come++
      const socket = new WebSocket(`ws://127.0.0.1:${port}`)
      await once(socket, 'open')
      const problem = await converse(socket, traffic, patience)
      if (problem !== undefined) noteError(traffic, began, problem)
      leave(socket, number % 8, silent)
    }
  }
  await Promise.all(Array.from({ length: clients }, place))
  traffic.ms = performance.now() - began
  return traffic
}

/** @returns why there was no answer */
async function converse(
  socket: WebSocket,
  traffic: Traffic,
  patience: number,
): Promise<string | undefined> {
  for (let asked = 0; asked < questions; asked += 1) {
    const start = performance.now()
    socket.send('?')
    const reply = await nextMessage(socket, patience)
    if (reply !== answer) return reply ?? `no answer within ${patience} ms`
    traffic.latencies.push(performance.now() - start)
  }
  return undefined
}

function nextMessage(socket: WebSocket, patience: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const done = (message?: string): void => {
      clearTimeout(timer)
      socket.off('message', onMessage).off('close', onClose)
      resolve(message)
    }
    const onMessage = (data: Buffer): void => done(data.toString())
    const onClose = (code: number): void => done(`closed with ${code}`)
    const timer = setTimeout(done, patience)
    socket.on('message', onMessage).on('close', onClose)
  })
}

function leave(socket: WebSocket, how: number, silent: WebSocket[]): void {
  // Whoever has left does not mind what comes.
  socket.on('error', () => {})
  if (how === 0) {
    socket.pause()
    silent.push(socket)
  } else if (how <= 3) socket.close()
  else socket.terminate()
}
