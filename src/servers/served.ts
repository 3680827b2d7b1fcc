/**
 * One request being served: its scope, and what must have happened before that closes. The listeners are shared by all
 * requests and find their state on the response: closures for each request would triple the cost.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished, type Readable } from 'node:stream'
import { isThenable, primaryError } from '../core/dispose.ts'
import { AbandonedError, ClientDisconnectedError, ShutdownError } from '../core/errors.ts'
import type { Scope } from '../core/types.ts'
import { openRequest, type Adapter } from './adapter.ts'
import { cut, isHttp2, refuseUnopened, tell } from './failure.ts'
import { watchQueued } from './pipelined.ts'

const key: unique symbol = Symbol('unwind.served')

/** A response on which the listeners find what it answers. */
type Answer = ServerResponse & { [key]?: Served }

/**
 * `running`: its handler has returned a promise that is pending. `unseen`: its handler returned none, so that the end of
 * the answer is the end of the handler. `settled`: the handler has ended. `closed`: the scope closes or has closed.
 */
type Stage = 'running' | 'unseen' | 'settled' | 'closed'

/** Open a scope for `request`, run `body` in it, and close it once. Whatever fails is answered or reported. */
export function serve(
  adapter: Adapter,
  request: IncomingMessage,
  response: ServerResponse,
  body: (served: Served) => unknown,
): void {
  let served: Served
  try {
    served = new Served(adapter, openRequest(adapter, request), request, response)
  } catch (error) {
    refuseUnopened(adapter, response, error)
    return
  }
  served.start(body)
}

/** The scope of the request that `response` answers, while it is served. */
export function scopeOf(response: ServerResponse): Scope | undefined {
  // Others may have answered it.
  return (response as Answer)[key]?.scope
}

/** What the handler failed with, and whether that was after somebody else had aborted it. */
interface Failure {
  readonly error: unknown
  readonly interrupted: boolean
}

export class Served {
  readonly scope: Scope
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly adapter: Adapter
  /** The handler answers by itself: whatever was to be committed has been, and closing commits nothing. */
  answersItself = false
  #stage: Stage = 'running'
  /** The connection is closed, or the answer was handed to it in full. */
  #gone = false
  /** A deadline or a shutdown was answered in the handler's place, so its result is not wanted any more. */
  #overtaken = false
  #failure: Failure | undefined = undefined
  #abandonment: NodeJS.Timeout | undefined = undefined
  /** Streams piped into the response that have not ended. */
  #sources: Set<Readable> | undefined = undefined

  constructor(adapter: Adapter, scope: Scope, request: IncomingMessage, response: ServerResponse) {
    this.adapter = adapter
    this.scope = scope
    this.request = request
    this.response = response
    const answer: Answer = response
    answer[key] = this
    answer.on('close', onClose)
    // The compatibility API of HTTP/2 has no 'prefinish'.
    answer.on(isHttp2(response) ? 'finish' : 'prefinish', onProduced)
    answer.on('pipe', onPipe)
    if (response.socket === null) watchQueued(request, response, () => this.left())
    if (adapter.scope.timeout !== undefined) scope.signal.addEventListener('abort', this)
  }

  start(body: (served: Served) => unknown): void {
    try {
      const result = this.scope.enter(() => body(this))
      if (isThenable(result)) void this.#follow(result)
      else this.#settle('unseen')
    } catch (error) {
      this.fail(error)
    }
  }

  /** Nobody waits for the handler any more. */
  get over(): boolean {
    return this.#stage === 'closed'
  }

  get gone(): boolean {
    return this.#gone
  }

  /** Its deadline passed, or its app closed: the result of the handler is not wanted any more. */
  get overtaken(): boolean {
    return this.#overtaken || this.scope.state !== 'open'
  }

  /** @throws why it was overtaken */
  throwIfOvertaken(): void {
    if (this.over || !this.overtaken) return
    this.scope.signal.throwIfAborted()
    throw new ShutdownError(`The app closed while "${this.scope.name}" ran.`)
  }

  /** Close the scope with what is known of its outcome. Rejects with what fails while releasing, or with what had failed. */
  async close(): Promise<void> {
    this.#stage = 'closed'
    clearTimeout(this.#abandonment)
    if (this.#overtaken) this.scope.fail(this.scope.signal.reason)
    else if (this.#failure === undefined && !this.answersItself) this.scope.complete()
    await this.scope.close()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  fail(error: unknown): void {
    if (this.#stage === 'closed') {
      this.#tell(error)
      return
    }
    this.#failure ??= { error, interrupted: this.scope.signal.aborted }
    this.scope.fail(error)
    const { response } = this
    const begun = response.headersSent || this.#sources !== undefined
    if (begun && !response.writableEnded) cut(response)
    this.#settle('settled')
  }

  /** All bytes of the answer were produced. */
  produced(): void {
    // A handler that returned no promise may be in the middle of its last step.
    if (this.#stage === 'unseen') process.nextTick(check, this)
    else this.check()
  }

  /** The response was closed: by the end of the answer, or by that of the connection. */
  left(): void {
    if (this.#gone) return
    this.#gone = true
    if (this.#stage === 'closed') return
    const early = !this.response.writableEnded
    if (early) this.scope.abort(disconnected(this.scope))
    if (this.#sources !== undefined) process.nextTick(destroyUnread, this.#sources)
    if (early || this.#sources !== undefined) this.#expectEnd()
    this.check()
  }

  piped(source: Readable): void {
    const sources = (this.#sources ??= new Set())
    sources.add(source)
    finished(source, { writable: false }, () => {
      sources.delete(source)
      this.check()
    })
  }

  /** The signal of the scope was aborted: its deadline passed, or the app shuts down. */
  handleEvent(): void {
    if (this.#gone || this.#failure !== undefined || this.#stage === 'closed') return
    this.#expectEnd()
    const { response } = this
    if (response.headersSent || response.writableEnded) return
    this.#overtaken = true
    // The handler does not know that its answer was given, and may still write one.
    response.on('error', ignore)
    this.#tell(this.scope.signal.reason)
  }

  abandon(): void {
    if (this.#stage === 'closed') return
    const error = abandoned(this.scope, this.adapter.abandonAfter)
    this.#failure = { error, interrupted: false }
    this.fail(error)
    void this.#conclude()
  }

  async #follow(result: PromiseLike<unknown>): Promise<void> {
    try {
      await result
      this.#settle('settled')
    } catch (error) {
      this.fail(error)
    }
  }

  #settle(stage: 'unseen' | 'settled'): void {
    if (this.#stage !== 'running') return
    this.#stage = stage
    this.check()
  }

  /** Close the scope if everything that it waits for has happened. */
  check(): void {
    if (this.#stage === 'running' || this.#stage === 'closed') return
    if (this.#sources !== undefined && this.#sources.size > 0) return
    if (this.#isAtItsEnd()) void this.#conclude()
  }

  #isAtItsEnd(): boolean {
    if (this.response.writableEnded || this.#failure !== undefined) return true
    if (this.#stage === 'unseen') return this.#gone && this.#sources !== undefined
    return this.#gone || (this.adapter.closeAt === 'answer' && !this.answersItself)
  }

  async #conclude(): Promise<void> {
    if (this.#stage === 'closed') return
    try {
      await this.close()
    } catch (error) {
      this.#tell(error)
    }
  }

  /** From here on the handler is on borrowed time. */
  #expectEnd(): void {
    this.#abandonment ??= setTimeout(abandon, this.adapter.abandonAfter, this)
  }

  #tell(error: unknown): void {
    const failure = this.#failure
    const primary = primaryError(error)
    const interrupted =
      this.#overtaken || (failure?.interrupted === true && primary === failure.error)
    void tell(this, error, interrupted)
  }
}

function onProduced(this: Answer): void {
  this[key]?.produced()
}

function onClose(this: Answer): void {
  this[key]?.left()
}

function onPipe(this: Answer, source: Readable): void {
  this[key]?.piped(source)
}

function check(served: Served): void {
  served.check()
}

function abandon(served: Served): void {
  served.abandon()
}

/** `source.pipe(response)` leaves a source open whose client left: nobody would ever end it. */
function destroyUnread(sources: Set<Readable>): void {
  for (const source of sources) {
    if (source.listenerCount('data') + source.listenerCount('readable') === 0) source.destroy()
  }
}

function disconnected(scope: Scope): ClientDisconnectedError {
  return new ClientDisconnectedError(
    `The client of "${scope.name}" left before its answer was finished.`,
  )
}

function abandoned(scope: Scope, ms: number): AbandonedError {
  return new AbandonedError(
    `The handler of "${scope.name}" went on for ${ms} ms after its abort and was abandoned; what it held was taken away. Pass scope.signal to what it waits for.`,
    { cause: scope.signal.reason },
  )
}

function ignore(): void {}
