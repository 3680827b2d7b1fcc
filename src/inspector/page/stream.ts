/**
 * The connection: pictures as long as somebody looks. A hidden or paused page asks for nothing, and one that was turned
 * away finds out why.
 */
import type { Picture } from './picture.ts'

export type Status = 'connecting' | 'live' | 'paused' | 'lost' | 'full' | 'stranger'

export class Stream {
  readonly #onPicture: (picture: Picture) => void
  readonly #onStatus: (status: Status) => void
  #source: EventSource | undefined = undefined
  #paused = false

  constructor(onPicture: (picture: Picture) => void, onStatus: (status: Status) => void) {
    this.#onPicture = onPicture
    this.#onStatus = onStatus
    document.addEventListener('visibilitychange', () => this.#look())
    this.#look()
  }

  get paused(): boolean {
    return this.#paused
  }

  pause(paused: boolean): void {
    this.#paused = paused
    this.#look()
  }

  #look(): void {
    this.#source?.close()
    this.#source = undefined
    if (this.#paused) this.#onStatus('paused')
    else if (document.visibilityState === 'visible') this.#open()
  }

  #open(): void {
    const source = new EventSource('events')
    this.#source = source
    source.addEventListener('message', ({ data }: MessageEvent<string>) => {
      this.#onStatus('live')
      // It comes from the server of this very page.
      this.#onPicture(JSON.parse(data) as Picture)
    })
    source.addEventListener('error', () => {
      // The browser tries again by itself, unless it was refused.
      if (source.readyState !== EventSource.CLOSED) this.#onStatus('lost')
      else void this.#askWhy(source)
    })
  }

  async #askWhy(source: EventSource): Promise<void> {
    let status: Status = 'lost'
    try {
      const answer = await fetch('snapshot.json')
      if (answer.ok) status = 'full'
      else if (answer.status === 401) status = 'stranger'
    } catch {
      // Nobody is there: it stays lost.
    }
    if (this.#source !== source) return
    this.#onStatus(status)
    setTimeout(() => {
      if (this.#source === source) this.#look()
    }, 3_000)
  }
}
