/** Does what a plan says, with real sockets, and notes every promise that was broken. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { Scope } from 'unwind'
import type { Socket } from 'unwind/ws'
import { WebSocketServer } from 'ws'

import { Clients, saying, type Spoken } from './socket-clients.ts'
import { endless, type ClientPlan, type HandlerStep, type Plan } from './socket-plans.ts'
import { Service } from './service.ts'
import { Talk } from './socket-talk.ts'

/** @returns every promise that was broken */
export async function runPlan(plan: Plan): Promise<readonly string[]> {
  const runner = new Runner(plan)
  await runner.run()
  return runner.breaches
}

class Runner {
  readonly breaches: string[] = []
  readonly #plan: Plan
  readonly #talks: Talk[]
  /** Errors that the app is to be told of, and those that it may be. */
  readonly #owed: Error[] = []
  readonly #spared: Error[] = []
  readonly #told: unknown[] = []

  constructor(plan: Plan) {
    this.#plan = plan
    const { grace, heartbeat, maxBuffered } = plan.options
    const hasty = grace < endless || heartbeat > 0 || maxBuffered < 1_000_000
    this.#talks = plan.clients.map(
      ({ kind }, i) => new Talk(`${kind} ${i}`, hasty || kind === 'raw'),
    )
  }

  async run(): Promise<void> {
    const { clients, options, endAt } = this.#plan
    const { http, server } = await this.#listen()
    const service = new Service(server, (...given) => this.#handle(...given), options)
    const talking = new Clients(this.#plan, (http ?? server).address() as AddressInfo)
    const talks = this.#talks
    const all = clients.map((client, i) => talking.talk(client, i, talks[i] as Talk))
    for (let left = endAt; left > 0; left -= 1) await turn()
    talking.ending = true
    for (const talk of talks) talk.end('service', 1001)
    const ending = this.#end(service)
    for (let left = 20; left > 0; left -= 1) await turn()
    talking.cutOff()
    await Promise.all([...all, ending])
    http?.closeAllConnections()
    if (http !== undefined) await once(http.close(), 'close')
    await this.#verify(service)
    this.breaches.push(...talks.flatMap((talk) => talk.breaches))
  }

  async #listen(): Promise<{ http: Server | undefined; server: WebSocketServer }> {
    const { place, deflate, tracking, clients } = this.#plan
    // The driver (8.23) goes on inflating after such a frame, and throws where nobody can catch it when that is cut off.
    const frames = clients.some(({ steps }) => steps.some(({ does }) => does === 'frame'))
    const options = {
      maxPayload: 400_000,
      clientTracking: tracking,
      perMessageDeflate: deflate && !frames && { threshold: 100 },
    }
    if (place === 'port') {
      const server = new WebSocketServer({ ...options, port: 0, host: '127.0.0.1' })
      await once(server, 'listening')
      return { http: undefined, server }
    }
    // What comes after its end is no upgrade any more.
    const http = createServer((_request, response) => response.writeHead(426).end())
    const own = place === 'server' ? { server: http } : { noServer: true }
    const server = new WebSocketServer({ ...options, ...own })
    if (place === 'upgrade') {
      http.on('upgrade', (request, raw, head) => {
        server.handleUpgrade(request, raw, head, (accepted) => {
          server.emit('connection', accepted, request)
        })
      })
    }
    await once(http.listen(0, '127.0.0.1'), 'listening')
    return { http, server }
  }

  async #end({ app, server, sockets }: Service): Promise<void> {
    const dispose = (): PromiseLike<void> => sockets[Symbol.asyncDispose]()
    const shutDown = async (): Promise<void> => {
      const graces = { grace: endless, abortGrace: endless }
      const { stuck, errors } = await app.shutdown(graces)
      if (stuck.length > 0) this.breaches.push('something is stuck')
      this.breaches.push(...errors.map(String))
    }
    const close = (): Promise<void> => this.#closed(app)
    const { end } = this.#plan
    if (end === 'twice') await Promise.all([dispose(), dispose()])
    if (end === 'shutdown') await shutDown()
    if (end === 'close the app') await close()
    if (end === 'close the server') server.close()
    if (end === 'all') await Promise.all([dispose(), shutDown(), close(), dispose()])
    await dispose()
  }

  async #handle(socket: Socket, scope: Scope, { url }: { url?: string | undefined }) {
    const at = Number(url?.slice(1))
    const [talk, client] = [this.#talks[at] as Talk, this.#plan.clients[at] as ClientPlan]
    talk.scope = scope
    void socket.closed.then((close) => talk.closed('handler', close))
    let failed = true
    try {
      for (const step of client.handler) {
        await this.#step({ talk, socket, side: 'handler' }, scope, step)
        // What it did afterwards would be its own affair.
        if (step.does === 'end' && step.how === 'close') break
      }
      failed = false
    } finally {
      talk.result = { failed, aborted: scope.signal.aborted }
      const fails = failed || talk.releaseFails || talk.meddled
      talk.end('handler', fails ? 1011 : 1000)
      if (talk.meddled) talk.end('handler', 1000)
    }
  }

  async #step(spoken: Spoken, scope: Scope, step: HandlerStep): Promise<unknown> {
    if (step.does === 'end') return await this.#meddle(spoken.talk, scope, step.how)
    if (step.does !== 'each') return await saying(spoken, step)
    const { talk, socket } = spoken
    for await (const message of socket) {
      await scope.run(async () => {
        await turn()
        talk.hear('handler', message)
      })
    }
    talk.heardAll('handler')
    return undefined
  }

  #meddle(talk: Talk, scope: Scope, how: Extract<HandlerStep, { does: 'end' }>['how']): unknown {
    const error = new Error(`the ${how} of a handler`)
    if (how === 'throw') {
      const { aborted, reason } = scope.signal
      const interrupted = aborted && !this.#owed.includes(reason)
      ;(interrupted ? this.#spared : this.#owed).push(error)
      throw error
    }
    if (how === 'release') {
      talk.releaseFails = true
      this.#owed.push(error)
      scope.defer(() => {
        throw error
      })
      return undefined
    }
    talk.meddled = true
    if (how === 'close') return this.#closed(scope)
    if (how === 'abort') scope.abort(error)
    else this.#fork(scope, error)
    return undefined
  }

  /** Who closes a scope is told how that ended. */
  async #closed(scope: Scope): Promise<void> {
    await scope.close().catch((error: unknown) => void this.#told.push(error))
  }

  #fork(scope: Scope, error: Error): void {
    void scope.fork(async () => {
      await turn()
      throw error
    })
    this.#owed.push(error)
  }

  async #verify(service: Service): Promise<void> {
    // That closes the scopes, whatever their handlers do.
    const cut = ['close the app', 'all'].includes(this.#plan.end)
    for (const talk of this.#talks) {
      const { scope, result } = talk
      if (scope === undefined) continue
      talk.expect(result !== undefined, 'its handler goes on')
      const exit = await service.watched.find((watched) => watched.scope === scope)?.exit
      if (cut || talk.meddled || result === undefined || exit === undefined) continue
      const wanted = result.failed ? (result.aborted ? 'aborted' : 'failure') : 'success'
      const told = talk.releaseFails && wanted === 'success' ? 'failure' : wanted
      talk.expect(exit.status === told, `its scope ended with ${exit.status}, and not ${told}`)
    }
    await service[Symbol.asyncDispose]()
    const told = [...service.reported, ...this.#told].flatMap(flat)
    for (const error of this.#owed) {
      const times = told.filter((other) => other === error).length
      // Who closes the app is told too.
      if (times !== 1 && !(cut && times > 1))
        this.breaches.push(`${error.message} was told ${times} times`)
    }
    const known = new Set<unknown>([...this.#owed, ...this.#spared])
    for (const error of service.reported) {
      // What a handler tries after the app has closed its scope.
      const late = (error as NodeJS.ErrnoException).code === 'ERR_SCOPE_CLOSED'
      if (!late && !flat(error).some((part) => known.has(part)))
        this.breaches.push(`told: ${String(error)}`)
    }
  }
}

/** The errors in a chain. */
function flat(error: unknown): unknown[] {
  const { suppressed, error: newest } = error as { suppressed?: unknown; error?: unknown }
  if (suppressed !== undefined) return [...flat(newest), ...flat(suppressed)]
  return error instanceof AggregateError ? error.errors.flatMap(flat) : [error]
}
