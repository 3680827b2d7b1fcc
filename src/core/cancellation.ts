/**
 * The abort of one scope: its reason, its signals, its deadline. Made when somebody looks at a signal or something
 * aborts; a scope that nobody aborts has none.
 */
import { after, whenAborted } from './deadline.ts'

interface Abortable {
  readonly name: string
  abort(reason: unknown): void
}

/** `undefined` can be a reason too, hence the object around it. */
interface Cause {
  readonly reason: unknown
}

export class Cancellation {
  /** Aborted from outside, by a signal or by a deadline: what the outcome `aborted` means. A failure aborts too. */
  requested = false
  /** Why it was aborted, if it was. */
  cause: Cause | undefined = undefined
  /** Milliseconds since the epoch. */
  deadline: number | undefined = undefined
  /** Why all that is opened below from now on, and each new task, is aborted at once. */
  barred: Cause | undefined = undefined
  drainReason: Cause | undefined = undefined
  #controller: AbortController | undefined = undefined
  #draining: AbortController | undefined = undefined
  /** Those who are told without a signal. */
  #heeding: Set<() => void> | undefined = undefined
  readonly #undo: (() => void)[] = []

  get signal(): AbortSignal {
    this.#controller ??= controller(this.cause)
    return this.#controller.signal
  }

  /** @param underWay why the app shuts down, where it already does */
  drainingSignal(underWay: Cause | undefined): AbortSignal {
    this.#draining ??= controller(this.cause ?? underWay)
    return this.#draining.signal
  }

  /** To be called with the scope ambient: listeners inherit the context. */
  cancel(reason: unknown): void {
    this.cause = { reason }
    this.barred = this.cause
    this.#controller?.abort(reason)
    this.#draining?.abort(reason)
    this.#heeding?.forEach((onAbort) => onAbort())
  }

  heed(onAbort: () => void): () => void {
    const heeding = (this.#heeding ??= new Set())
    heeding.add(onAbort)
    return () => heeding.delete(onAbort)
  }

  /** The app begins to shut down. */
  drain(reason: unknown): void {
    this.drainReason = { reason }
    this.#draining?.abort(reason)
  }

  expireIn(ms: number, scope: Abortable, deadline: number): void {
    this.deadline = deadline
    const expire = (): void => scope.abort(timeoutReason(scope.name, ms))
    this.#undo.push(after(ms, expire))
  }

  follow(signal: AbortSignal, scope: Abortable): void {
    this.#undo.push(whenAborted(signal, () => scope.abort(signal.reason)))
  }

  /** No timer and no listener stays behind, nor what listens to a signal that will say nothing more. */
  release(): void {
    for (const undo of this.#undo.splice(0)) undo()
    this.#controller = undefined
    this.#draining = undefined
    this.#heeding = undefined
  }
}

/** The platform's reason where none is given, as from `AbortController.abort()`. */
export function abortReason(name: string): DOMException {
  return new DOMException(`The scope "${name}" was aborted.`, 'AbortError')
}

function timeoutReason(name: string, ms: number): DOMException {
  return new DOMException(`The scope "${name}" passed its deadline of ${ms} ms.`, 'TimeoutError')
}

/** @param cause why it is aborted, if it is */
function controller(cause: Cause | undefined): AbortController {
  const made = new AbortController()
  if (cause !== undefined) made.abort(cause.reason)
  return made
}
