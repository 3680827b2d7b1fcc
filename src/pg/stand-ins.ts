/**
 * What tests put in the place of node-postgres. Without the status and the events of the driver nobody could tell when a
 * connection may go back: it is refused where it is first seen, and not waited for.
 */
import { isObject } from '../core/dispose.ts'
import { describe } from '../core/options.ts'
import type { DriverClient, Release } from './driver.ts'

const advice =
  'In tests use PostgreSQL or PGlite, or override the resources that are made of it (docs/drivers.md).'

/** @returns why nobody can be lent `client`; undefined for a client of the driver */
export function standIn(client: DriverClient): TypeError | undefined {
  const lacking = lackOf(client)
  if (lacking === undefined) return undefined
  return new TypeError(
    `The pool gave ${describe(client)} for a connection, which is none of node-postgres: it has no \`${lacking}\`. ${advice}`,
  )
}

/** For a pool that was asked with a callback, and answered with a promise alone. */
export function answeredOtherwise(): TypeError {
  return new TypeError(
    `The pool does not call back, as one of node-postgres does: its \`connect\` answers a callback with a promise. ${advice}`,
  )
}

/** What a stand-in gives with its client, or after it, may be anything. */
export function giveBack(client: unknown, release: Release | undefined): void {
  if (typeof release === 'function') release()
  else if (isObject(client) && 'release' in client && typeof client.release === 'function')
    Reflect.apply(client.release, client, [])
}

/** Only what the way from the pool and back takes: what is given statements has to take them. */
function lackOf(client: DriverClient): string | undefined {
  const tells =
    client.getTransactionStatus !== undefined ||
    client.connection?.prependListener !== undefined ||
    // Before 8.21 libpq does not tell, and is rolled back at each release.
    client.native !== undefined
  if (tells && typeof client.on === 'function') return undefined
  const method = (['query', 'on'] as const).find((name) => typeof client[name] !== 'function')
  return method ?? 'getTransactionStatus'
}
