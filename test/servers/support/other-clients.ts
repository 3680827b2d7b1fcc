/** Clients of servers that do not speak HTTP/1.1 in the clear. Keys that both ends know spare them certificates. */
import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import { request as send } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TlsOptions } from 'node:tls'

import type { Answer, Asked } from './client.ts'

const psk = Buffer.from('a key that both ends know')

export const secrets: TlsOptions = {
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  pskCallback: () => psk,
}

export const clientSecrets = {
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  pskCallback: () => ({ psk, identity: 'test' }),
  checkServerIdentity: () => undefined,
} as const

export async function askHttps(
  { port }: { readonly port: number },
  path: string,
  { method = 'GET', body, headers }: Asked = {},
): Promise<Answer> {
  const request = send({ port, path, method, headers, agent: false, ...clientSecrets })
  request.end(body)
  const [response] = await once(request, 'response')
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

export async function askHttp2(
  server: { readonly port: number },
  path: string,
  { method = 'GET', body, headers }: Asked = {},
): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${server.port}`)
  try {
    return await askIn(session, path, { method, headers, body })
  } finally {
    session.close()
  }
}

async function askIn(session: ClientHttp2Session, path: string, asked: Asked): Promise<Answer> {
  const { method = 'GET', body, headers } = asked
  const stream = session.request({ ':path': path, ':method': method, ...headers })
  stream.end(body)
  const [head] = await once(stream, 'response')
  return { status: head[':status'], headers: head, body: await text(stream) }
}
