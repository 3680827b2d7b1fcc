/** Clients of every kind, side by side until they are told to stop: polite ones, and all the others. */
import { once } from 'node:events'
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http'
import { connect as dial } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

import { WebSocket } from 'ws'

export interface Traffic {
  /** By kind. */
  readonly counts: Readonly<Record<string, number>>
  /** Answers that were none of those that a kind expects. */
  readonly surprises: string[]
}

interface Street {
  readonly port: number
  readonly agent: Agent
}

type Visit = (street: Street, n: number) => Promise<void>

/** Each kind, and how many of it are there at the same time. */
const kinds: Readonly<Record<string, readonly [lanes: number, visit: Visit]>> = {
  answered: [3, async (street) => expectStatus(200, await ask(street, '/'))],
  streamed: [1, async (street) => expectStatus(200, await ask(street, '/stream'))],
  threw: [1, async (street) => expectStatus(500, await ask(street, '/throw'))],
  'timed out': [1, async (street) => expectStatus(503, await ask(street, '/forever'))],
  cancelled: [2, (street, n) => leave(street, '/wait', n, (sent) => sent.destroy())],
  reset: [1, (street, n) => leave(street, '/wait', n, (sent) => sent.socket?.resetAndDestroy())],
  'cut stream': [1, (street, n) => leave(street, '/stream', n, (sent) => sent.destroy())],
  'slow reader': [1, readSlowly],
  pipelined: [1, pipeline],
  socket: [3, talk],
}

export async function drive(port: number, signal: AbortSignal): Promise<Traffic> {
  const street = { port, agent: new Agent({ keepAlive: true }) }
  const counts: Record<string, number> = {}
  const surprises: string[] = []
  const lane = async (kind: string, visit: Visit): Promise<void> => {
    for (let n = 0; !signal.aborted; n += 1) {
      try {
        await visit(street, n)
        counts[kind] = (counts[kind] ?? 0) + 1
      } catch (error) {
        surprises.push(`${kind}: ${String(error)}`)
        await delay(100)
      }
    }
  }
  const lanes = Object.entries(kinds).flatMap(([kind, [count, visit]]) =>
    Array.from({ length: count }, () => lane(kind, visit)),
  )
  await Promise.all(lanes)
  street.agent.destroy()
  return { counts, surprises }
}

function expectStatus(expected: number, { statusCode }: IncomingMessage): void {
  if (statusCode !== expected) throw new Error(`answered with ${statusCode}, not with ${expected}`)
}

function send({ port, agent }: Street, path: string): ClientRequest {
  return request({ host: '127.0.0.1', port, path, agent }).end()
}

async function ask(street: Street, path: string): Promise<IncomingMessage> {
  const sent = send(street, path)
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    if (!response.complete) await once(response, 'end')
    return response
  } catch (error) {
    // A connection that was kept for long ends at any time; Node.js says so, and a client sends again.
    if (sent.reusedSocket) return await ask(street, path)
    throw error
  }
}

/** After 0 to 40 ms: before the handler runs, in the middle, or when the answer is on its way. */
async function leave(
  street: Street,
  path: string,
  n: number,
  how: (sent: ClientRequest) => void,
): Promise<void> {
  const sent = send(street, path)
  const closed = new Promise((resolve) => sent.once('close', resolve))
  sent.on('error', () => {})
  sent.on('response', (response) => response.on('error', () => {}).resume())
  await delay((n * 7) % 41)
  how(sent)
  await closed
}

/** Every second one stays to the end. */
async function readSlowly(street: Street, n: number): Promise<void> {
  const sent = request({ host: '127.0.0.1', port: street.port, path: '/large', agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const closed = new Promise((resolve) => response.once('close', resolve))
  response.on('error', () => {})
  for (let i = 0; i < 10; i += 1) {
    response.read()
    await delay(10)
  }
  if (n % 2 === 0) response.resume()
  else sent.destroy()
  await closed
  if (n % 2 === 0 && !response.complete) throw new Error('cut off')
}

/** Five requests in one piece; every second client leaves with the first answer. */
async function pipeline({ port }: Street, n: number): Promise<void> {
  const socket = dial(port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const get = 'GET /wait HTTP/1.1\r\nHost: test\r\n'
  socket.write(`${get}\r\n`.repeat(4) + `${get}Connection: close\r\n\r\n`)
  socket.on('data', () => {
    if (n % 2 === 1) socket.destroy()
  })
  await closed
}

/** Says goodbye, vanishes, leaves in the middle of a message, breaks the handler, or speaks nonsense. */
async function talk({ port }: Street, n: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/feed`)
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'open')
  for (let i = 0; i < 3; i += 1) {
    const answered = new Promise((resolve) => socket.once('message', () => resolve('answered')))
    socket.send(`message ${i}`)
    if ((await Promise.race([answered, closed])) !== 'answered') throw new Error('closed early')
  }
  const end = n % 5
  if (end === 0) socket.close(1000)
  else if (end === 1) socket.terminate()
  else if (end === 2) socket.send('in the middle', () => socket.terminate())
  else if (end === 3) socket.send('throw')
  else socket.send(Buffer.alloc(8_192))
  await closed
}
