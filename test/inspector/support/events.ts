/** A client of the event stream that reads every picture. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

import type { Site } from './site.ts'

/** What the tests look at. */
export interface Seen {
  readonly app: string
  readonly level: string
  readonly counts: Readonly<
    Record<'scopes' | 'acquiring' | 'open' | 'releasing' | 'leaks' | 'certain', number>
  >
  readonly scopes: readonly { readonly id: string; readonly name: string; readonly depth: number }[]
  readonly held: readonly {
    readonly resource: string
    readonly scope: string
    readonly heldMs: number
  }[]
}

export class Events implements Disposable {
  readonly #response: IncomingMessage
  readonly #pictures: AsyncGenerator<Seen, void>
  /** The server has noticed that this client left. */
  readonly gone: Promise<unknown>

  private constructor(response: IncomingMessage, served: ServerResponse) {
    this.#response = response
    response.setEncoding('utf8')
    this.#pictures = read(response)
    this.gone = once(served, 'close')
  }

  static async open(site: Site): Promise<Events> {
    const headers = await site.enter()
    const serving = once(site.server, 'request') as Promise<[IncomingMessage, ServerResponse]>
    const response = await site.begin('/__unwind/events', { headers })
    const [, served] = await serving
    return new Events(response, served)
  }

  async next(): Promise<Seen> {
    const { value } = await this.#pictures.next()
    if (value === undefined) throw new Error('The stream has ended.')
    return value
  }

  /** Resolves when the server has ended the stream. */
  get ended(): Promise<void> {
    return this.#toEnd()
  }

  async #toEnd(): Promise<void> {
    while (!(await this.#pictures.next()).done);
  }

  [Symbol.dispose](): void {
    this.#response.destroy()
  }
}

async function* read(response: IncomingMessage): AsyncGenerator<Seen, void> {
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    // What the server says is what the tests are about.
    for (const event of events)
      yield JSON.parse(event.replace(/^(?:retry: \d+\n)?data: /, '')) as Seen
  }
}
