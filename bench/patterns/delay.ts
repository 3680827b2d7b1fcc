/**
 * Distance: a wire on which everything takes half a round trip, and opening a connection a whole one more.
 * `node bench/patterns/delay.ts PORT MILLISECONDS`, started by scenario.ts, which is sent the port to connect to.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

const [target = 0, roundTrip = 0] = process.argv.slice(2).map(Number)

/** One direction of a connection. What is sent arrives in order, and after the delay. */
class Line {
  readonly #to: Socket
  readonly #opened: number
  readonly #sent: { readonly due: number; readonly bytes: Buffer | undefined }[] = []
  #waiting = false

  constructor(to: Socket, opened: number) {
    this.#to = to
    this.#opened = opened
  }

  carry(from: Socket): void {
    from.on('data', (bytes: Buffer) => this.#send(bytes))
    from.on('end', () => this.#send(undefined))
  }

  #send(bytes: Buffer | undefined): void {
    const due = Math.max(performance.now(), this.#opened) + roundTrip / 2
    this.#sent.push({ due, bytes })
    this.#deliver()
  }

  #deliver(): void {
    const [next] = this.#sent
    if (this.#waiting || next === undefined) return
    const wait = next.due - performance.now()
    if (wait > 0) {
      this.#waiting = true
      setTimeout(() => {
        this.#waiting = false
        this.#deliver()
      }, wait)
      return
    }
    this.#sent.shift()
    if (next.bytes === undefined) this.#to.end()
    else if (this.#to.writable) this.#to.write(next.bytes)
    this.#deliver()
  }
}

const wire = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const opened = performance.now() + roundTrip
  new Line(server, opened).carry(client)
  new Line(client, opened).carry(server)
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => other.destroy())
  }
})
wire.listen(0, '127.0.0.1', () => process.send?.((wire.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
