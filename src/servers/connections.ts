/**
 * The connections of one server, and how they end without cutting an answer: `server.closeIdleConnections()` takes an
 * answer for finished when `end()` was called, so it is replaced on the instance by one that knows what is on its way.
 */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from 'node:http2'
import type { Server as HttpsServer } from 'node:https'
import { Socket } from 'node:net'
import { unhurried } from '../core/deadline.ts'
import { ignore } from '../core/dispose.ts'
import { listenAlong, type Listener } from './along.ts'
import { cut } from './failure.ts'
import { isEnded } from './held-end.ts'

/** The servers that can be closed gracefully. */
export type AnyServer = Server | HttpsServer | Http2Server | Http2SecureServer

/** One connection of HTTP/1, or one to a server of TLS before its handshake is over. */
interface Link {
  readonly socket: Socket
  readonly answers: Set<ServerResponse>
  /** Bytes read when it was last known to be between two requests. */
  mark: number
  /** Ends it where it stays so. */
  timer: NodeJS.Timeout | undefined
}

/** A connection after its handshake, and the socket that it was accepted as, if it was one. */
interface Encrypted extends Socket {
  readonly _parent: Socket
}

/** Milliseconds longer than idle connections that half a handshake or request head may take, and an upgraded connection. */
const partialHead = 1_000
const upgradedGrace = 5_000

export class Connections {
  /** Milliseconds that idle connections may stay once the server closes. */
  linger: number
  /** Its server has not begun to listen: its host may be being looked up. */
  isNew: boolean
  readonly #server: AnyServer
  readonly #links = new Map<Socket, Link>()
  readonly #upgraded = new Set<Socket>()
  readonly #sessions = new Set<ServerHttp2Session>()
  /** Those of HTTP/2: a session ends with the last of its own. */
  readonly #streamed = new Set<ServerResponse>()
  #timer: NodeJS.Timeout | undefined = undefined
  readonly #undo: (() => void)[] = []
  readonly #listeningAlong = new Map<string | symbol, Listener>()
  /** Every answer says that it is the last of its connection. */
  #leaving = false
  #draining = false

  constructor(server: AnyServer, linger: number) {
    this.#server = server
    this.linger = linger
    this.isNew = !server.listening
    this.#listen()
    this.#overrideClosing()
  }

  /** Leave the server as it was. */
  detach(): void {
    for (const undo of this.#undo.splice(0)) undo()
    this.#reset()
  }

  /** Give the server a method of its own until it is detached, or somebody has given it another one. */
  override(name: PropertyKey, value: unknown): void {
    const server = this.#server
    const own = Object.getOwnPropertyDescriptor(server, name)
    Object.defineProperty(server, name, { value, configurable: true, writable: true })
    this.#undo.push(() => {
      if (Object.getOwnPropertyDescriptor(server, name)?.value !== value) return
      if (own === undefined) Reflect.deleteProperty(server, name)
      else Object.defineProperty(server, name, own)
    })
  }

  /** From now on each connection ends with the answer that it is waiting for; new ones are accepted. */
  announceEnd(): void {
    this.#leaving = true
    for (const link of this.#links.values()) announceEnd(link)
  }

  /** The answers that are not finished: their bytes are still to be produced. */
  unanswered(): ServerResponse[] {
    const all = Array.from(this.#links.values(), ({ answers }) => [...answers]).flat()
    return [...all, ...this.#streamed].filter((answer) => !isEnded(answer))
  }

  /** Nobody waits any longer for those who still work. What was answered is delivered. */
  destroyUnfinished(): void {
    for (const answer of this.unanswered()) cut(answer)
    this.#endUpgraded()
  }

  destroyAll(): void {
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#links.keys()) socket.destroy()
    for (const socket of this.#upgraded) socket.destroy()
  }

  #listen(): void {
    const isSecure = 'setSecureContext' in this.#server
    this.#on('connection', (socket: Socket) => {
      // Of what is no socket, nobody can tell when its handshake is over.
      if (!isSecure || socket instanceof Socket) this.#connected(socket)
    })
    this.#on('secureConnection', (socket: Encrypted) => {
      this.#unlink(socket._parent)
      this.#connected(socket)
    })
    this.#on('session', (session: ServerHttp2Session) => this.#opened(session))
    this.#on('listening', () => this.#reset())
    this.#on('close', () => this.#reset())
    const requested = (request: IncomingMessage, response: ServerResponse): void =>
      this.#requested(request, response)
    this.#on('request', requested)
    for (const event of ['checkContinue', 'checkExpectation']) this.#along(event, requested)
    const upgraded = ({ socket }: IncomingMessage): void => this.#upgrade(socket)
    for (const event of ['upgrade', 'connect']) this.#along(event, upgraded)
    this.#hideListeningAlong()
  }

  #along(event: string, listener: Listener): void {
    this.#undo.push(listenAlong(emitterOf(this.#server), event, listener))
    this.#listeningAlong.set(event, listener)
  }

  /** Whoever counts them means others: `@hono/node-server` answers an upgrade only where nobody else may. */
  #hideListeningAlong(): void {
    const server = emitterOf(this.#server)
    const count = (event: string | symbol, wanted?: Listener): number => {
      const hidden = this.#listeningAlong.get(event)
      const all = server.listeners(event)
      return all.filter((one) => (wanted === undefined ? one !== hidden : one === wanted)).length
    }
    this.override('listenerCount', count)
  }

  #on(event: string, listener: Listener): void {
    const server = emitterOf(this.#server)
    // Before the listeners of the application, which may answer at once.
    server.prependListener(event, listener)
    this.#undo.push(() => server.off(event, listener))
  }

  /** All versions of `server.close()` for HTTP/1 begin with this call; that of HTTP/2 has no such step. */
  #overrideClosing(): void {
    const server = this.#server
    if ('closeIdleConnections' in server) {
      this.override('closeIdleConnections', () => this.#closeIdle())
      return
    }
    const close = server.close.bind(server)
    this.override('close', (callback?: (error?: Error) => void) => {
      this.#drain()
      close(callback)
      return server
    })
  }

  #closeIdle(): void {
    // Called by `close()` before it stops listening, and by whoever wants the idle ones gone while the server goes on.
    process.nextTick(() => {
      if (this.#server.listening) this.#endIdle()
      else this.#drain()
    })
  }

  /** The server takes no new connections. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    for (const session of this.#sessions) session.close()
    this.announceEnd()
    for (const link of this.#links.values()) endAfter(this.linger, link)
    const ms = this.linger + upgradedGrace
    this.#timer = unhurried(setTimeout(() => this.#endUpgraded(), ms))
  }

  #reset(): void {
    this.isNew = false
    this.#draining = false
    this.#leaving = false
    clearTimeout(this.#timer)
    for (const { timer } of this.#links.values()) clearTimeout(timer)
  }

  #endIdle(): void {
    for (const link of this.#links.values()) if (isSilent(link)) link.socket.destroy()
  }

  #endUpgraded(): void {
    for (const socket of this.#upgraded) socket.destroy()
  }

  #connected(socket: Socket): void {
    if (!isOfHttp2(this.#server, socket)) this.#link(socket)
  }

  #link(socket: Socket): Link {
    const link: Link = { socket, answers: new Set(), mark: socket.bytesRead, timer: undefined }
    this.#links.set(socket, link)
    socket.once('close', () => this.#unlink(socket))
    // Its handshake is over.
    if (this.#draining) endAfter(this.linger, link)
    return link
  }

  #unlink(socket: Socket): void {
    clearTimeout(this.#links.get(socket)?.timer)
    this.#links.delete(socket)
  }

  #opened(session: ServerHttp2Session): void {
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    if (this.#draining) session.close()
  }

  #requested({ socket, httpVersionMajor }: IncomingMessage, response: ServerResponse): void {
    if (httpVersionMajor !== 1) {
      this.#streamed.add(response)
      response.once('close', () => this.#streamed.delete(response))
      return
    }
    const link = this.#links.get(socket) ?? this.#link(socket)
    link.answers.add(response)
    response.once('close', () => this.#answered(response, link))
    if (this.#leaving) announceEnd(link)
  }

  #answered(response: ServerResponse, link: Link): void {
    link.answers.delete(response)
    link.mark = link.socket.bytesRead
    const isIdle = link.answers.size === 0 && !link.socket.destroyed
    // Where the answer said that it was the last one, Node.js ends the connection. Where its head had been sent before the
    // server began to leave, the client may ask again.
    if (this.#draining && isIdle) endAfter(this.linger, link)
  }

  #upgrade(socket: Socket): void {
    this.#unlink(socket)
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    // Node.js has taken its own off. Who has to ask before it upgrades has none yet, and a reset would end the process.
    socket.on('error', ignore)
  }
}

/** Nothing is to be answered on it, and nothing of a request has come. */
function isSilent({ socket, answers, mark }: Link): boolean {
  return answers.size === 0 && socket.bytesRead === mark
}

/** End it in `ms`, unless it has a request by then, or the first part of one, which has a while more. */
function endAfter(ms: number, link: Link, partial = false): void {
  clearTimeout(link.timer)
  const end = (): void => {
    if (isSilent(link) || (partial && link.answers.size === 0)) link.socket.destroy()
    else if (!partial) endAfter(partialHead, link, true)
  }
  link.timer = unhurried(setTimeout(end, ms))
}

/** The last answer of a connection says so; on an earlier one, those behind it would be dropped. */
function announceEnd({ answers }: Link): void {
  const open = [...answers].filter((answer) => !answer.headersSent)
  const last = open.pop()
  for (const answer of open) answer.removeHeader('Connection')
  last?.setHeader('Connection', 'close')
}

/** The event maps of the four servers differ, so that no union of them can be listened to. */
function emitterOf(server: AnyServer): EventEmitter {
  return server
}

function isOfHttp2(server: AnyServer, socket: Socket): boolean {
  if (!('updateSettings' in server)) return false
  return (
    !('setSecureContext' in server) || ('alpnProtocol' in socket && socket.alpnProtocol === 'h2')
  )
}
