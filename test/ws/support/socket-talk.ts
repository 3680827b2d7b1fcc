/** What was said on one connection, who ended it, and whether the other side was told. */
import type { Scope } from 'unwind'
import type { SocketClose } from 'unwind/ws'

export type Side = 'client' | 'handler'

/** How a handler ended. */
export interface Result {
  readonly failed: boolean
  /** Its scope had been aborted before. */
  readonly aborted: boolean
}

export class Talk {
  readonly breaches: string[] = []
  readonly sent: Record<Side, number> = { client: 0, handler: 0 }
  readonly heard: Record<Side, number> = { client: 0, handler: 0 }
  /** Who began to close, the first one first; and with what. */
  readonly closers: (Side | 'service')[] = []
  readonly ends: string[] = []
  /** Somebody may have broken it off, so nothing is known of its end. */
  abrupt: boolean
  scope: Scope | undefined = undefined
  result: Result | undefined = undefined
  /** Its scope was closed or aborted by its handler, or by what that forked. */
  meddled = false
  releaseFails = false
  readonly #name: string

  constructor(name: string, abrupt: boolean) {
    this.#name = name
    this.abrupt = abrupt
  }

  expect(holds: boolean, what: string): void {
    if (!holds) this.breaches.push(`${this.#name}: ${what}`)
  }

  /** The next message of `side`. One that it sends too late is not counted. */
  say(side: Side, size: number, binary: boolean, open: boolean): string | Buffer {
    const text = `${side} ${this.sent[side]} ${binary ? 'bytes' : 'text'} ${'é'.repeat(size / 2)}`
    if (open) this.sent[side] += 1
    return binary ? Buffer.from(text) : text
  }

  hear(side: Side, message: string | Uint8Array): void {
    const other = side === 'client' ? 'handler' : 'client'
    const form = typeof message === 'string' ? 'text' : 'bytes'
    const text = typeof message === 'string' ? message : Buffer.from(message).toString()
    const wanted = `${other} ${this.heard[side]} ${form} `
    this.expect(text.startsWith(wanted), `heard "${text.slice(0, 30)}" instead of "${wanted}"`)
    this.expect(/^[^é]*é*$/.test(text), 'a message is damaged')
    this.heard[side] += 1
  }

  end(who: Side | 'service', code: number, reason: string = ''): void {
    this.closers.push(who)
    this.ends.push(`${code} ${reason}`)
  }

  /** `side` has read to the end: nothing is missing where the other one closed, and nobody else. */
  heardAll(side: Side): void {
    const other = side === 'client' ? 'handler' : 'client'
    if (this.abrupt || this.closers.some((who) => who !== other)) return
    this.expect(this.closers.length > 0, `${side} is at the end, and nobody closed`)
    const [heard, sent] = [this.heard[side], this.sent[other]]
    this.expect(heard === sent, `${side} heard ${heard} of ${sent} messages`)
  }

  closed(who: Side, { code, reason, clean }: SocketClose): void {
    this.expect(clean || code === 1006 || this.abrupt, `${who}: ${code}, and not clean`)
    if (this.abrupt) return
    this.expect(clean, `${who}: broken off`)
    const allowed = this.ends.includes(`${code} ${reason}`)
    this.expect(allowed, `${who}: ${code} ${reason} is none of ${this.ends.join(', ')}`)
  }
}
