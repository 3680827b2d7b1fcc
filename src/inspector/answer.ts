/**
 * How the inspector answers: what it says is nobody else's, is never kept, and runs no script but its own.
 */
import type { ServerResponse } from 'node:http'
import type { Refusal } from './gate.ts'

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const guards: Readonly<Record<string, string>> = {
  'Content-Security-Policy': policy,
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

export interface Content {
  readonly type: string
  readonly body: string
}

export function answer(response: ServerResponse, { type, body }: Content): void {
  head(response, 200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

/** An answer that goes on. A middleware that compresses would keep what it has for as long as that is. */
export function answerForNow(response: ServerResponse, type: string): void {
  head(response, 200, { 'Content-Type': type, 'Cache-Control': 'no-store, no-transform' })
  response.flushHeaders()
}

export function redirect(response: ServerResponse, to: string, cookie?: string): void {
  head(response, 303, { Location: to, ...(cookie !== undefined && { 'Set-Cookie': cookie }) })
  response.end()
}

export function refuse(response: ServerResponse, { status, text }: Refusal): void {
  const body = `${text}\n`
  head(response, status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    ...(status === 405 && { Allow: 'GET' }),
    ...(status === 503 && { 'Retry-After': '1' }),
  })
  response.end(body)
}

function head(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | number>>,
): void {
  response.writeHead(status, { ...guards, ...headers })
}
