/** The clients of a plan: those of this package, those of the driver, and bare connections. */
import { once } from 'node:events'
import { connect as dial, type AddressInfo, type Socket as Stream } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { connect, type Socket, type SocketClose } from 'unwind/ws'
import { WebSocket } from 'ws'

import type { ClientPlan, ClientStep, HandlerStep, Plan } from './socket-plans.ts'
import type { Side, Talk } from './socket-talk.ts'

/** One end of a talk. */
export interface Spoken {
  readonly talk: Talk
  readonly socket: Socket
  readonly side: Side
}

type Said = Exclude<ClientStep | HandlerStep, { does: 'each' | 'end' | 'frame' | 'cut' }>

/** A step that both ends can do. */
export async function saying({ talk, socket, side }: Spoken, step: Said): Promise<void> {
  const hear = ({ done, value }: IteratorResult<string | Uint8Array, undefined>): void => {
    if (done !== true) talk.hear(side, value)
  }
  if (step.does === 'send') {
    for (let left = step.count; left > 0; left -= 1) {
      const open = socket.state === 'open'
      const sending = socket.send(talk.say(side, step.size, step.binary, open))
      sending.catch((error: unknown) => checkCode(talk, error))
      if (step.waits) await sending
    }
  } else if (step.does === 'read') {
    const reading = socket[Symbol.asyncIterator]()
    for (let left = step.count; left > 0; left -= 1) hear(await reading.next())
    // What is asked for as the loop is left is read, or there for the next one.
    const last = reading.next()
    await reading.return?.()
    hear(await last)
  } else if (step.does === 'wait' || step.does === 'pause') {
    for (let left = step.turns; left > 0; left -= 1) await turn()
  } else if (step.does === 'close') {
    const { code, reason } = sendable(step)
    if (socket.state === 'open') talk.end(side, code, reason)
    await socket.close(step.code, step.reason)
  } else if (step.does === 'dispose') {
    // Even where the other side has begun to close: what was not read is dropped.
    talk.end(side, 1000)
    const ends = Array.from({ length: step.times }, () => disposed(socket))
    await Promise.all(ends)
  }
}

/** The handler's socket has it too, which its type does not say. */
function disposed(socket: Socket & Partial<AsyncDisposable>): PromiseLike<void> | undefined {
  return socket[Symbol.asyncDispose]?.()
}

export function sendable({ code, reason }: { code: number; reason: string }) {
  const known = [1000, 1001, 1011, 1014, 3000, 4999].includes(code)
  return { code: known ? code : 1000, reason: reason.slice(0, 61) }
}

const known = ['CLOSED', 'BROKEN', 'OVERFLOW'].map((end) => `ERR_SOCKET_${end}`)

function checkCode(talk: Talk, error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  const expected = [...known, 'ERR_CLIENT_DISCONNECTED'].includes(String(code))
  talk.expect(expected, `an error that nobody knows: ${String(error)}`)
}

export class Clients {
  ending = false
  readonly #plan: Plan
  readonly #port: number
  /** How to end what will not end by itself, after what was done to it. */
  readonly #cuts: (() => void)[] = []
  #over = false

  constructor(plan: Plan, { port }: AddressInfo) {
    this.#plan = plan
    this.#port = port
  }

  async talk(client: ClientPlan, at: number, talk: Talk): Promise<void> {
    if (client.kind === 'ours') await this.#ours(client, this.#url(at), talk)
    else if (client.kind === 'driver') await this.#driver(client, this.#url(at), talk)
    else await this.#raw(client, at, talk)
  }

  cutOff(): void {
    this.#over = true
    for (const cut of this.#cuts) cut()
  }

  #url(at: number): string {
    return `ws://127.0.0.1:${this.#port}/${at}`
  }

  #endWith(talk: Talk, cut: () => void): void {
    const end = (): void => {
      if (talk.abrupt) cut()
    }
    if (this.#over) end()
    else this.#cuts.push(end)
  }

  async #ours({ steps, abortAt }: ClientPlan, url: string, talk: Talk): Promise<void> {
    const controller = new AbortController()
    const giveUp = async (turns: number): Promise<void> => {
      for (let left = turns; left > 0; left -= 1) await turn()
      controller.abort(new Error('changed my mind'))
    }
    if (abortAt !== undefined) void giveUp(abortAt)
    const drivers: WebSocket[] = []
    class Watched extends WebSocket {
      constructor(address: string) {
        super(address)
        drivers.push(this)
      }
    }
    const { signal } = controller
    const options = { ...this.#plan.options, signal, WebSocket: Watched }
    let socket: Socket & AsyncDisposable
    try {
      socket = await connect(url, options)
    } catch (error) {
      talk.expect(this.ending || signal.aborted, `did not connect: ${String(error)}`)
      talk.abrupt = true
      return
    }
    const [driver] = drivers
    this.#endWith(talk, () => driver?.terminate())
    void socket.closed.then((close) => talk.closed('client', close))
    try {
      for (const step of steps) await this.#step({ talk, socket, side: 'client' }, driver, step)
      for await (const message of socket) talk.hear('client', message)
      talk.heardAll('client')
    } catch (error) {
      checkCode(talk, error)
    }
    await socket.closed
    await socket[Symbol.asyncDispose]()
  }

  #step(spoken: Spoken, driver: WebSocket | undefined, step: ClientStep): Promise<void> | void {
    if (step.does === 'ping') return driver?.readyState === 1 ? driver.ping() : undefined
    if (step.does !== 'frame' && step.does !== 'cut') return saying(spoken, step)
    spoken.talk.abrupt = true
    if (driver !== undefined) damage(streamOf(driver), step)
  }

  async #driver({ steps }: ClientPlan, url: string, talk: Talk): Promise<void> {
    const driver = new WebSocket(url)
    this.#endWith(talk, () => driver.terminate())
    driver.on('error', (error) => {
      const refused = this.ending || talk.abrupt || driver.readyState !== 0
      talk.expect(refused, `did not connect: ${String(error)}`)
    })
    driver.on('message', (data: Buffer, binary) => {
      talk.hear('client', binary ? data : data.toString())
    })
    const closed = new Promise<SocketClose>((resolve) => {
      driver.once('close', (code, reason) => {
        resolve({ code, reason: reason.toString(), clean: code !== 1006 })
      })
    })
    const opened = await Promise.race([once(driver, 'open').catch(() => {}), closed.then(() => {})])
    if (opened === undefined) return
    for (const step of steps) await this.#drive(driver, talk, step)
    const close = await closed
    talk.closed('client', close)
    if (close.clean) talk.heardAll('client')
  }

  async #drive(driver: WebSocket, talk: Talk, step: ClientStep): Promise<void> {
    const open = driver.readyState === 1
    if (step.does === 'frame' || step.does === 'cut') {
      talk.abrupt = true
      damage(streamOf(driver), step)
    } else if (step.does === 'send') {
      for (let left = step.count; left > 0; left -= 1) {
        driver.send(talk.say('client', step.size, step.binary, driver.readyState === 1))
      }
    } else if (step.does === 'close' || step.does === 'dispose') {
      if (open) talk.end('client', 1005)
      driver.close()
    } else if (step.does === 'ping') {
      if (open) driver.ping()
    } else {
      if (step.does === 'pause') driver.pause()
      for (let left = step.does === 'read' ? 0 : step.turns; left > 0; left -= 1) await turn()
      driver.resume()
    }
  }

  async #raw({ steps }: ClientPlan, at: number, talk: Talk): Promise<void> {
    const stream = dial({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true })
    stream.on('error', () => {})
    this.#endWith(talk, () => stream.destroy())
    const closed = new Promise((resolve) => stream.once('close', resolve))
    const key = Buffer.alloc(16).toString('base64')
    stream.write(
      `GET /${at} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    )
    await Promise.race([once(stream, 'data').catch(() => {}), closed])
    for (const step of steps) {
      if (step.does === 'frame' || step.does === 'cut') damage(stream, step)
      else if (step.does === 'pause') stream.pause()
      else if (step.does === 'wait') for (let n = step.turns; n > 0; n -= 1) await turn()
      else stream.resume()
    }
    await closed
  }
}

function streamOf(driver: WebSocket): Stream {
  // Nothing else gives what is below it.
  return (driver as unknown as { _socket: Stream })._socket
}

function damage(stream: Stream, step: Extract<ClientStep, { does: 'frame' | 'cut' }>): void {
  if (step.does === 'frame') stream.write(Buffer.from(step.hex, 'hex'))
  // One that is ending cannot be reset, and never closes where it is tried.
  else if (step.how === 'reset' && !stream.writableEnded) stream.resetAndDestroy()
  else if (step.how === 'half') stream.end()
  else stream.destroy()
}
