/** Ways in which a request comes to its connection. Each asks the same question, and answers the same. */
import type { RequestListener, ServerResponse } from 'node:http'
import { Client, Pool, type PoolConfig } from 'pg'
import { createApp } from 'unwind'
import { handle } from 'unwind/http'
import { pgResources } from 'unwind/pg'

interface Rows {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
}

/** What every request and every message is answered. */
export const answer = '{"answer":42}'

export async function ask(connection: Rows): Promise<unknown> {
  const { rows } = await connection.query('select $1::int + 1 as answer', [41])
  return rows[0]
}

/** Connections that nobody uses are closed soon, so that those which are left are held. */
export const idle = { idleTimeoutMillis: 300 }

export function neverClosed(config: PoolConfig): RequestListener {
  return answering(async () => {
    const client = new Client(config)
    await client.connect()
    return await ask(client)
  })
}

export function closed(config: PoolConfig): RequestListener {
  return answering(async () => {
    const client = new Client(config)
    await client.connect()
    try {
      return await ask(client)
    } finally {
      await client.end()
    }
  })
}

export function pooledByHand(config: PoolConfig): RequestListener {
  const pool = new Pool({ ...config, ...idle, max: 10 })
  return answering(async () => {
    const client = await pool.connect()
    try {
      return await ask(client)
    } finally {
      client.release()
    }
  })
}

export function leased(config: PoolConfig): RequestListener {
  const app = createApp({ name: 'bench' })
  const db = pgResources(() => new Pool({ ...config, ...idle, max: 10 }))
  return handle(app, async (_request, _response, scope) => ask(await scope.get(db.connection)))
}

function answering(body: () => Promise<unknown>): RequestListener {
  return (_request, response) => {
    void body().then(
      (value) => send(response, 200, JSON.stringify(value)),
      (error: unknown) => send(response, 500, describe(error)),
    )
  }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body) }).end(body)
}

function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return `${code ?? ''} ${message ?? String(error)}`.trim()
}
