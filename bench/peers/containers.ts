/** The same work with the containers that dispose: a scope for each call, one resource in it. */
import { asFunction, createContainer, type AwilixContainer } from 'awilix'
import { createInjector, Scope } from 'typed-inject'
import type { Case } from '../harness.ts'
import { answered, Connection } from '../support/connection.ts'

interface Cradle {
  readonly connection: Connection
}

const container: AwilixContainer<Cradle> = createContainer<Cradle>()
container.register({
  connection: asFunction(() => new Connection())
    .scoped()
    .disposer((connection) => connection[Symbol.asyncDispose]()),
})
const injector = createInjector()

/** typed-inject disposes what has a `dispose` method. */
class Disposing extends Connection {
  async dispose(): Promise<void> {
    this.end()
  }
}

export function containers(): Case[] {
  return [
    { name: 'awilix: createScope, resolve, dispose', operation: throughAwilix, check: answered },
    { name: 'typed-inject: child injector', operation: throughTypedInject, check: answered },
  ]
}

export async function throughAwilix(): Promise<number> {
  const scope = container.createScope()
  try {
    return scope.resolve('connection').answer()
  } finally {
    await scope.dispose()
  }
}

async function throughTypedInject(): Promise<number> {
  const child = injector
    .createChildInjector()
    .provideClass('connection', Disposing, Scope.Singleton)
  try {
    return child.resolve('connection').answer()
  } finally {
    await child.dispose()
  }
}
