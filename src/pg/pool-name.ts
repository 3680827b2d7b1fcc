/**
 * What a pool is called where somebody looks: `host:port/database`, as the semantic conventions of OpenTelemetry name it.
 * Of a connection string nothing else is used: user, password and options stay where they are.
 */
import type { DriverPool } from './driver.ts'

export function poolName({ options }: DriverPool): string {
  const { host, port, database } = { ...options, ...partsOf(options?.connectionString) }
  if (host === undefined && database === undefined) return 'postgresql'
  const address = port === undefined ? (host ?? '') : `${host ?? 'localhost'}:${port}`
  return database === undefined ? address : `${address}/${database}`
}

interface Parts {
  readonly host?: string
  readonly port?: number | string
  readonly database?: string
}

function partsOf(connectionString: string | undefined): Parts | undefined {
  if (connectionString === undefined || !URL.canParse(connectionString)) return undefined
  const { hostname, port, pathname } = new URL(connectionString)
  const database = pathname.slice(1)
  return {
    ...(hostname !== '' && { host: hostname }),
    ...(port !== '' && { port }),
    ...(database !== '' && { database }),
  }
}
