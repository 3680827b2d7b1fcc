/** docs/guide/frameworks.md: GraphQL Yoga. */
// #region yoga
import { createServer } from 'node:http'
import { createSchema, createYoga } from 'graphql-yoga'
import { createApp, currentScope, inject, type Scope } from 'unwind'
import { listen, scoped } from 'unwind/http'
import { session } from '../session.ts'

const app = createApp()
const yoga = createYoga({
  context: () => ({ scope: currentScope() }),
  logging: false,
  schema: createSchema({
    typeDefs: 'type Query { order: String, deep: String }',
    resolvers: {
      Query: {
        order: async (_root: unknown, _parameters: unknown, { scope }: { scope: Scope }) =>
          (await scope.get(session)).of,
        deep: async () => (await inject(session)).of,
      },
    },
  }),
})
const server = createServer(scoped(app, yoga))
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
// #endregion
const query = encodeURIComponent('{ order deep }')
console.log(await (await fetch(`${listening.url}/graphql?query=${query}`)).text())
await app.shutdown()
