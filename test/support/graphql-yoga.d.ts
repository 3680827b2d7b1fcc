/** The part of Yoga that is used: its own types bring those of the browser, which contradict the ones of Node.js. */
import type { RequestListener } from 'node:http'

export function createSchema(definition: { typeDefs: string; resolvers: object }): object
export function createYoga(options: {
  schema: object
  logging: boolean
  context: () => object
}): RequestListener
