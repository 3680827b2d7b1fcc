/** An app whose requests write into a table of their own, in parts. */
import type pg from 'pg'
import { createApp, type App } from 'unwind'
import { pgResources, type PgResources } from 'unwind/pg'

import { newPool, newTable } from './database.ts'

export const boom = new Error('boom')

export interface Fixture extends AsyncDisposable {
  readonly app: App
  readonly db: PgResources
  insert(tx: { query(text: string, values: unknown[]): Promise<unknown> }, v: number): Promise<void>
  values(): Promise<unknown[]>
}

export async function setUp({
  max = 2,
  types,
  ...rest
}: Pick<pg.PoolConfig, 'max' | 'types'> &
  Parameters<typeof pgResources>[1] = {}): Promise<Fixture> {
  const table = await newTable()
  const app = createApp()
  return {
    app,
    db: pgResources(() => newPool({ max, ...(types && { types }) }), rest),
    async insert(tx, v) {
      await tx.query(`insert into ${table.name} values ($1)`, [v])
    },
    values: () => table.values(),
    async [Symbol.asyncDispose]() {
      await app.close()
      await table[Symbol.asyncDispose]()
    },
  }
}

export async function fails(): Promise<never> {
  throw boom
}
