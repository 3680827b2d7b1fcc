/** A client that sends its requests one after the other on one connection, to any of the servers. */
import { once } from 'node:events'
import { Agent, request as send, type RequestOptions } from 'node:http'
import { connect, type ClientHttp2Session } from 'node:http2'
import { Agent as SecureAgent, request as sendSecurely } from 'node:https'
import { text } from 'node:stream/consumers'

import type { Kind } from './kinds.ts'
import { clientSecrets } from './other-clients.ts'

export interface KeptAlive extends Disposable {
  /** The body of the answer. */
  get(path: string): Promise<string>
}

export function keepAlive(kind: Kind, port: number): KeptAlive {
  if (kind.name.endsWith('http2')) return ofSession(connect(`http://127.0.0.1:${port}`))
  const secure = kind.name.endsWith('https')
  const agent = new (secure ? SecureAgent : Agent)({ keepAlive: true, maxSockets: 1 })
  const options: RequestOptions = { host: '127.0.0.1', port, agent }
  const get = async (path: string): Promise<string> => {
    const request = secure
      ? sendSecurely({ ...options, path, ...clientSecrets })
      : send({ ...options, path })
    request.end()
    const [response] = await once(request, 'response')
    return text(response)
  }
  return { get, [Symbol.dispose]: () => agent.destroy() }
}

function ofSession(session: ClientHttp2Session): KeptAlive {
  const get = async (path: string): Promise<string> => {
    const stream = session.request({ ':path': path })
    stream.end()
    return text(stream)
  }
  return { get, [Symbol.dispose]: () => session.destroy() }
}
