/**
 * One request being served. Its scope closes once two have ended, which `check` looks at after each change of either: the
 * handler, as far as somebody sees it, and the answer, whoever writes that. One object holds what is known of both, and the
 * listeners of the response (hearing.ts) are shared: closures for each request would triple the cost.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isInterrupted } from '../core/app.ts'
import type { Scope } from '../core/types.ts'
import { close, type Adapter } from './adapter.ts'
import {
  abandoned,
  disconnected,
  heedsAbort,
  isClosedByApp,
  isInterruption,
  isTold,
  isUpgraded,
  judge,
  type Failure,
} from './ends.ts'
import { cut, endInTurn, hasEnded, isStreamed, tell } from './failure.ts'
import { hearEnd, hearProduced, holdAnswer } from './hearing.ts'
import { isEnded } from './held-end.ts'
import { Sources } from './sources.ts'

/**
 * `running`: the handler has not ended. `unseen`: it returned no promise, so that the end of the answer is the end of
 * the handler. `settled`: it has ended. `closed`: the scope closes or has closed.
 */
type Stage = 'running' | 'unseen' | 'settled' | 'closed'

export class Served {
  readonly scope: Scope
  readonly request: IncomingMessage
  readonly response: ServerResponse
  adapter: Adapter

  // The handler.
  stage: Stage = 'running'
  /** The handler whose end is seen by somebody, who will say so: that its call returns does not. */
  taken: unknown = undefined
  /** The result of the handler was seen: a status of 404 or 503 is then no sign of a failure. */
  seen = false
  /** Its end is that of the request, whatever of the answer is still to come. */
  endsRequest: boolean
  /** Called when it has ended. */
  onSettled: (() => void) | undefined = undefined
  failure: Failure | undefined = undefined
  /** Whether closing completes the scope, where nothing failed. */
  completes = true

  // The answer. A framework that writes it holds it (`held`), makes it (`answering`), and then closes the scope or releases it.
  /** Others will close before they write, or say that they do not by `release`. */
  held = false
  /** That of its framework is on its way. */
  answering = false
  /** Its framework writes what is still being made: the end of that is held back until the scope closed. */
  streams = false
  /** What ends it, where all else was written and that is held back. */
  heldEnd: (() => void) | undefined = undefined
  /** Of one that others will write. */
  status: number | undefined = undefined
  /** Failures of the handler are answered by its framework. */
  delegated = false
  /** How its framework answers in the place of the handler. */
  refuse: ((status: number, text: string) => void) | undefined = undefined
  /** A deadline or a shutdown was answered in the handler's place, so its result is not wanted any more. */
  answeredFor = false
  /** The connection is closed, or the answer was handed to it in full. */
  gone = false
  #abandonment: NodeJS.Timeout | undefined = undefined
  #sources: Sources | undefined = undefined

  constructor(adapter: Adapter, scope: Scope, request: IncomingMessage, response: ServerResponse) {
    this.adapter = adapter
    this.endsRequest = adapter.early
    this.scope = scope
    this.request = request
    this.response = response
    // Before the handler, which may answer as soon as it is told.
    if (adapter.scope.timeout !== undefined) scope.signal.addEventListener('abort', this)
  }

  /** Nobody waits for anything any more. */
  get over(): boolean {
    return this.stage === 'closed'
  }

  /** Something that the answer is made from has not ended. */
  get sourced(): boolean {
    return this.#sources !== undefined && this.#sources.size > 0
  }

  /** Its deadline passed, or its app closed: the result of the handler is not wanted any more. */
  get overtaken(): boolean {
    return this.answeredFor || (this.scope.state !== 'open' && isClosedByApp(this))
  }

  /**
   * From here on the handler is seen by somebody who calls `settle` or `fail`. The first byte of its answer is held back
   * until its scope closed, unless the adapter was told otherwise.
   */
  take(handler: unknown): void {
    this.taken = handler
    this.seen = true
    this.endsRequest = false
    if (!this.over) this.stage = 'running'
  }

  /** From here on `adapter`, inside of the one that has opened this, sees of the handler what it can, and answers. */
  handOver(adapter: Adapter): void {
    this.take(undefined)
    this.adapter = adapter
    this.seen = false
    this.delegated = false
    this.refuse = undefined
  }

  /** Its framework has made an answer, be it of a result or of an error. */
  see(error: unknown): void {
    this.seen = true
    this.delegated ||= error !== undefined
    if (error !== undefined) this.fail(error)
  }

  /** The answer is sent, and what is not over closes at its end. */
  release(): void {
    this.held = false
    if (this.stage !== 'running') this.#hear()
    this.check()
  }

  settle(stage: 'unseen' | 'settled'): void {
    if (this.stage !== 'running') return
    this.stage = stage
    this.onSettled?.()
    this.check()
    // It may be answered past its framework, as by what took it over.
    if (!this.held || stage === 'unseen') this.#hear()
  }

  /** Close the scope with what is known of its outcome. `undefined`: that is done. */
  end(): Promise<void> | undefined {
    this.stage = 'closed'
    if (this.#abandonment !== undefined) clearTimeout(this.#abandonment)
    const { scope } = this
    if (this.answeredFor) scope.fail(scope.signal.reason)
    else if (this.failure === undefined && this.completes) judge(this)
    return close(scope)
  }

  fail(error: unknown): void {
    if (this.over) {
      if (!heedsAbort(this, error)) this.#tell(error)
      return
    }
    this.failure ??= { error, interrupted: isInterrupted(this.scope) }
    this.scope.fail(error)
    const { response } = this
    const begun = response.headersSent || this.#sources !== undefined
    if (begun && !isEnded(response)) cut(response)
    if (this.stage === 'running') this.settle('settled')
    else this.check()
  }

  /** All bytes of the answer were produced. */
  produced(): void {
    // A handler that returned no promise may be in the middle of its last step.
    if (this.stage === 'unseen') process.nextTick(() => this.check())
    else this.check()
  }

  /** The response was closed: by the end of the answer, or by that of the connection. */
  left(): void {
    if (this.gone) return
    this.gone = true
    if (this.over) return
    const early = !hasEnded(this.response)
    const unended = this.stage === 'unseen' && !isEnded(this.response)
    const sources = this.#sources
    if (early || unended || sources !== undefined) this.expectEnd()
    if (early) {
      endInTurn(this.response)
      this.#interrupt()
    }
    if (unended) hearEnd(this)
    if (sources !== undefined) process.nextTick(() => sources.destroyUnread())
    this.check()
  }

  /** What the answer is made from while it is sent. */
  get sources(): Sources {
    this.#sources ??= new Sources(() => this.#sourceEnded())
    return this.#sources
  }

  /** The signal of the scope was aborted: its deadline passed, the app shuts down, or a task failed. */
  handleEvent(): void {
    if (this.gone || this.failure !== undefined || this.over || this.answeredFor) return
    this.expectEnd()
    const { response } = this
    const upgraded = isUpgraded(this.request)
    if (upgraded || response.headersSent || isEnded(response) || !isInterrupted(this.scope)) {
      // What is piped does not heed an abort, nor does what came of an upgrade.
      if ((upgraded || this.#sources !== undefined) && !isEnded(response)) cut(response)
      return
    }
    this.answeredFor = true
    // The handler does not know that its answer was given, and may still write one.
    response.on('error', () => {})
    this.#tell(this.scope.signal.reason)
  }

  abandon(): void {
    if (this.over) return
    const error = abandoned(this.scope, this.adapter.scope.abandonAfter)
    this.failure = { error, interrupted: false }
    this.delegated = false
    this.fail(error)
    this.#conclude()
  }

  /** Close the scope if everything that it waits for has happened. */
  check(): void {
    // As long as it is held, it may be read, be it for nobody.
    const making = this.answering && this.held
    if (this.stage === 'running' || this.over || this.sourced || making) return
    if (this.#isAnswered() || this.#isLeft()) this.#conclude()
  }

  /** Of the end of an answer that is still to come. */
  #hear(): void {
    if (this.over) return
    if (this.streams) holdAnswer(this)
    else hearProduced(this.response)
  }

  /** All of the answer was made; or it is ours to make, of a failure, once the scope has closed. */
  #isAnswered(): boolean {
    return this.response.writableEnded || (this.failure !== undefined && !this.delegated)
  }

  /** What is still to come of the answer is not waited for. */
  #isLeft(): boolean {
    if (this.stage !== 'unseen') return this.endsRequest || this.gone
    if (!this.gone) return false
    return this.#sources !== undefined || isUpgraded(this.request) || isStreamed(this.response)
  }

  #sourceEnded(): void {
    const failure = this.#sources?.failure
    if (failure?.unheard === true && !this.gone) this.fail(failure.error)
    else this.check()
  }

  /** The connection was closed while there was something to answer: by the client, or because that broke. */
  #interrupt(): void {
    const { scope } = this
    const heard = this.stage !== 'settled' && this.#sources === undefined
    // What nobody listened to until its end was not completed.
    if (!heard || isUpgraded(this.request)) this.completes = false
    const broken = this.#sources?.failure
    if (broken === undefined) scope.abort(disconnected(scope))
    else if (this.failure === undefined) {
      this.failure = { error: broken.error, interrupted: false }
      scope.fail(broken.error)
    }
  }

  #conclude(): void {
    if (this.over) return
    const closing = this.end()
    // What is held back may be refused by Node.js, as a body that is a number.
    const rest = closing !== undefined || this.heldEnd !== undefined
    if (this.failure !== undefined || rest) void this.#finish(closing)
  }

  async #finish(closing: Promise<void> | undefined): Promise<void> {
    const failure = this.failure
    try {
      await closing
      if (failure !== undefined) throw failure.error
      this.heldEnd?.()
    } catch (error) {
      const answered = failure !== undefined && this.delegated && error === failure.error
      if (!answered && !isTold(this, error)) this.#tell(error)
    }
  }

  /** From here on the handler is on borrowed time. To be called before it is told, because it may end the answer at once. */
  expectEnd(): void {
    this.#abandonment ??= setTimeout(() => this.abandon(), this.adapter.scope.abandonAfter)
  }

  #tell(error: unknown): void {
    void tell(this, error, isInterruption(this, error))
  }
}
