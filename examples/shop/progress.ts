/** One line that moves where somebody watches, and a few plain lines where nobody does. */
import type { WriteStream } from 'node:tty'

const width = 40

export class Progress {
  readonly #out: NodeJS.WriteStream | WriteStream
  readonly #total: number
  readonly #start: number = performance.now()
  #done = 0
  #drawnAt = 0
  #quarters = 0

  constructor(out: NodeJS.WriteStream, total: number) {
    this.#out = out
    this.#total = total
  }

  step(): void {
    this.#done += 1
    if (this.#out.isTTY) this.#draw()
    else this.#sayQuarters()
  }

  /** Leave nothing of the moving line. */
  end(): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K')
  }

  #draw(): void {
    const now = performance.now()
    // Twenty-five times a second are enough to look smooth.
    if (now - this.#drawnAt < 40 && this.#done < this.#total) return
    this.#drawnAt = now
    const filled = Math.round((this.#done / this.#total) * width)
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled)
    this.#out.write(`\r  ${bar}  ${this.#state()}`)
  }

  #sayQuarters(): void {
    const quarters = Math.floor((4 * this.#done) / this.#total)
    if (quarters === this.#quarters) return
    this.#quarters = quarters
    this.#out.write(`  ${this.#state()}\n`)
  }

  #state(): string {
    const seconds = ((performance.now() - this.#start) / 1_000).toFixed(1)
    const [done, total] = [this.#done, this.#total].map((n) => n.toLocaleString('en'))
    return `${done} of ${total} customers · ${seconds} s`
  }
}
