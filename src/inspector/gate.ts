/**
 * Who may ask at all, before anybody is recognised: this machine, directly, under a name that is known, for nothing but
 * reading. Each rule closes a way in that other development servers have left open (CVE-2025-24010, DNS rebinding).
 */
import type { IncomingMessage } from 'node:http'

/** Why a request is not answered, for whoever reads it with curl or in a browser. */
export interface Refusal {
  readonly status: 401 | 403 | 404 | 405 | 500 | 503
  readonly text: string
}

type Headers = IncomingMessage['headers']

/** The names of this machine that no other site can take. */
const ownNames = ['localhost', '127.0.0.1', '[::1]']

/** Added by whatever passes a request on: then the peer says nothing about who asks. */
const forwarding = /^(?:x-forwarded|x-real-ip$|forwarded$|via$)/

/**
 * @param hosts further names, each with or without a port
 * @returns undefined for a request that may go on
 */
export function refusalOf(
  request: Pick<IncomingMessage, 'method' | 'headers' | 'socket'>,
  hosts: readonly string[],
): Refusal | undefined {
  const { method, headers, socket } = request
  const host = hostOf(headers)
  if (!isLoopback(socket?.remoteAddress) || isForwarded(headers)) {
    return refuse('The inspector answers this machine alone, and no proxy.')
  }
  if (!isKnown(host, hosts)) {
    return refuse(
      'The inspector is not known under this host name. Use localhost, or name it: inspector(app, { hosts: […] }).',
    )
  }
  if (!isOwnOrigin(headers.origin, host) || !isOwnSite(headers['sec-fetch-site'])) {
    return refuse('The inspector does not answer other sites. Open its URL from the address bar.')
  }
  if (method !== 'GET') return { status: 405, text: 'The inspector is only read: GET.' }
  return undefined
}

/** The name and port that the client asked for. */
export function hostOf(headers: Headers): string | undefined {
  const host = headers.host ?? headers[':authority']
  return typeof host === 'string' ? host.toLowerCase() : undefined
}

function refuse(text: string): Refusal {
  return { status: 403, text }
}

/** A Unix socket has no address: what stands before it is usually a proxy. */
function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  return address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address)
}

function isForwarded(headers: Headers): boolean {
  return Object.keys(headers).some((name) => forwarding.test(name))
}

function isKnown(host: string | undefined, hosts: readonly string[]): boolean {
  if (host === undefined) return false
  const name = host.replace(/:\d+$/, '')
  return [...ownNames, ...hosts].some((known) => known === name || known === host)
}

/** A browser names the origin where it is not the page's own, and sometimes where it is. */
function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`
}

/** `none`: the address bar. Also without the header: no browser, or an old one, which the cookie holds off. */
function isOwnSite(site: string | string[] | undefined): boolean {
  return site === undefined || site === 'same-origin' || site === 'none'
}
