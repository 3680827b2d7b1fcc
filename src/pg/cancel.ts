/**
 * The protocol's CancelRequest, on a socket of its own: it needs no slot of a pool and no privilege. The server closes
 * that socket once the signal is sent; until then a cancel may still be on its way, and would hit the next statement.
 */
import { once } from 'node:events'
import { connect, isIP, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectSecurely, type ConnectionOptions, type TLSSocket } from 'node:tls'

import { ignore } from '../core/dispose.ts'
import { within } from '../core/waiting.ts'
import { outside, type DriverClient } from './driver.ts'

const cancelCode = 80_877_102
const tlsCode = 80_877_103

/** Milliseconds until a cancel is repeated, doubled each time: one that comes before its statement is lost. */
const firstPause = 50

/**
 * Cancel what `client` runs, again and again, until the server waits for a statement and no cancel is on its way.
 * @returns false where that took longer than `ms` milliseconds: the connection cannot be used any more
 */
export async function cancelUntilQuiet(
  client: DriverClient,
  whenQuiet: () => Promise<void>,
  ms: number,
): Promise<boolean> {
  const until = performance.now() + ms
  const left = (): number => Math.max(0, until - performance.now())
  for (let pause = firstPause; ; pause *= 2) {
    const over = await requestCancel(client, left())
    if (!over) return false
    if (await within(Math.min(pause, left()), whenQuiet())) return true
    if (left() === 0) return false
  }
}

/**
 * Ask the server to cancel what `client` runs. It may have come too early or too late: that is not told.
 * @returns whether it is over: the server took the request, or was not reached within `ms` milliseconds. Else it may
 * still be on its way.
 */
export async function requestCancel(client: DriverClient, ms: number): Promise<boolean> {
  if (client.native !== undefined) return await cancelNatively(client.native, ms)
  const message = cancelMessage(client)
  if (message === undefined) return true
  let sent = false
  const socket = outside(() => connect(addressOf(client)))
  // Not reached, or reset: whoever asked sees that the statement goes on.
  const closed = once(socket, 'close').catch(ignore)
  reach(socket, client).then(
    (stream) => {
      sent = true
      stream.write(message)
    },
    () => socket.destroy(),
  )
  const over = await within(ms, closed)
  socket.destroy()
  return over || !sent
}

/** libpq waits for the server's end of it, as we do. */
async function cancelNatively(
  native: NonNullable<DriverClient['native']>,
  ms: number,
): Promise<boolean> {
  return await within(ms, new Promise<void>((resolve) => native.cancel(resolve)))
}

/** What the request can be written to. */
async function reach(socket: Socket, client: DriverClient): Promise<Socket> {
  await once(socket, 'connect')
  const stream = client.ssl ? await secure(socket, client) : socket
  // Read to the end, or the end is never noticed.
  return stream.on('error', () => stream.destroy()).resume()
}

/** @returns undefined where the client has no key, as with the native driver */
function cancelMessage({ processID, secretKey }: DriverClient): Buffer | undefined {
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return undefined
  return packet(cancelCode, processID, secretKey)
}

/** The very server of the session: a name may stand for several. */
function addressOf(client: DriverClient): NetConnectOpts {
  const { host = 'localhost', port = 5432, connection } = client
  if (host.startsWith('/')) return { path: `${host}/.s.PGSQL.${port}` }
  const { remoteAddress, remotePort } = connection?.stream ?? {}
  if (remoteAddress === undefined || remotePort === undefined) return { host, port }
  return { host: remoteAddress, port: remotePort }
}

async function secure(socket: Socket, client: DriverClient): Promise<TLSSocket> {
  if (client.sslNegotiation !== 'direct') await negotiate(socket)
  const secured = outside(secureOver, client, socket)
  await once(secured, 'secureConnect')
  return secured
}

function secureOver(client: DriverClient, socket: Socket): TLSSocket {
  return connectSecurely({ ...tlsOptions(client), socket })
}

async function negotiate(socket: Socket): Promise<void> {
  socket.write(packet(tlsCode))
  // The event has one argument, which the types do not say.
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (String(answer) !== 'S') throw new Error('The server does not speak TLS to a cancel request.')
}

/** As the driver has them: the certificate is checked for the name, not for the address. */
function tlsOptions({ host = 'localhost', ssl, sslNegotiation }: DriverClient): ConnectionOptions {
  const given: ConnectionOptions = typeof ssl === 'object' ? ssl : {}
  return {
    host,
    ...given,
    // The driver hides the key from enumeration.
    ...('key' in given && { key: given.key }),
    ...(isIP(host) === 0 && { servername: host }),
    ...(sslNegotiation === 'direct' && { ALPNProtocols: ['postgresql'] }),
  }
}

/** A length of its own, then the numbers. */
function packet(...numbers: number[]): Buffer {
  const buffer = Buffer.allocUnsafe(4 * (numbers.length + 1))
  buffer.writeInt32BE(buffer.length, 0)
  numbers.forEach((number, index) => buffer.writeInt32BE(number, 4 * (index + 1)))
  return buffer
}
