/**
 * `await using` as the compilers write it for engines that do not know it. Each compiles the same function, here and now,
 * with its own current version.
 */
import { transformSync as babel } from '@babel/core'
import { transformSync as esbuild } from 'esbuild'
import * as tslib from 'tslib'
import { Connection } from './connection.ts'

type Hold = () => Promise<number>

const source = `async function hold() {
  await using held = new Connection()
  return held.answer()
}`

/** What TypeScript emits with `importHelpers`, which is the same text each time. */
const emitted = `async function hold() {
  const env = { stack: [], error: void 0, hasError: false }
  try {
    const held = tslib.__addDisposableResource(env, new Connection(), true)
    return held.answer()
  } catch (error) {
    env.error = error
    env.hasError = true
  } finally {
    const result = tslib.__disposeResources(env)
    if (result) await result
  }
}`

export const throughTslib: Hold = compiled(emitted)

export const throughEsbuild: Hold = compiled(
  esbuild(source, { target: 'es2022', loader: 'js' }).code,
)

export const throughBabel: Hold = compiled(
  babel(source, {
    configFile: false,
    plugins: ['@babel/plugin-transform-explicit-resource-management'],
    sourceType: 'script',
  })?.code ?? '',
)

function compiled(code: string): Hold {
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- compiled code is what is timed
  const make = new Function('tslib', 'Connection', `${code}\nreturn hold`) as (
    helpers: typeof tslib,
    connection: typeof Connection,
  ) => Hold
  return make(tslib, Connection)
}
