import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'

import { pathOf, read } from '../support/repository.ts'

interface Names {
  readonly values: readonly string[]
  readonly types: readonly string[]
}

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** Everything that can be imported, by hand: a name that is not here is not public. */
const entries: Readonly<Record<string, Names>> = {
  '.': {
    values: [
      'AbandonedError',
      'AcquireTimeoutError',
      'CaptiveDependencyError',
      'CircularDependencyError',
      'ClientDisconnectedError',
      'DisposeTimeoutError',
      'DisposedError',
      'NoScopeError',
      'NotProvidedError',
      'ResourceProtocolError',
      'ScopeClosedError',
      'ScopeIncompleteError',
      'ShutdownError',
      'UnwindError',
      'createApp',
      'currentScope',
      'detectLeaks',
      'formatError',
      'hold',
      'inject',
      'input',
      'override',
      'primaryError',
      'resource',
      'run',
      'tryCurrentScope',
      'value',
    ],
    types: [
      'AcquireContext',
      'Activity',
      'App',
      'AppOptions',
      'Channels',
      'Exit',
      'GeneratorResource',
      'Held',
      'Input',
      'LeakLevel',
      'LeakOptions',
      'LeakReport',
      'LeaseUsedAfterRelease',
      'Lifetime',
      'MaybePromise',
      'Outcome',
      'Override',
      'Resource',
      'ResourceAcquired',
      'ResourceAcquiring',
      'ResourceOptions',
      'ResourceReleased',
      'ResourceSnapshot',
      'ResourceSpec',
      'ResourceTimeout',
      'Scope',
      'ScopeClosed',
      'ScopeIdentity',
      'ScopeKind',
      'ScopeOpened',
      'ScopeOptions',
      'ScopeSnapshot',
      'ScopeState',
      'ScopeUsedAfterClose',
      'ShutdownOptions',
      'ShutdownReport',
      'Success',
      'Task',
    ],
  },
  './pg': {
    values: [
      'PgCommitUnknownError',
      'PgConnectionLostError',
      'PgCursorOpenError',
      'PgLockNotAvailableError',
      'PgPoolExhaustedError',
      'PgTransactionEndedError',
      'PgTransactionOpenError',
      'PgTransactionPoolingError',
      'PgTransactionRolledBackError',
      'PgUnexpectedRollbackError',
      'pgPool',
      'pgResources',
      'transactional',
    ],
    types: [
      'PgCursor',
      'PgCursorOptions',
      'PgLease',
      'PgListenOptions',
      'PgLock',
      'PgLockKey',
      'PgLockOptions',
      'PgNotification',
      'PgPool',
      'PgPoolLike',
      'PgPoolOptions',
      'PgPropagation',
      'PgQueryConfig',
      'PgQueryOptions',
      'PgQueryResult',
      'PgQueryable',
      'PgReset',
      'PgResources',
      'PgResourcesOptions',
      'PgSubscription',
      'PgTransaction',
      'PgTransactionOptions',
      'PgTransactionalOptions',
    ],
  },
  './better-sqlite3': {
    values: ['sqlite', 'sqliteResources'],
    types: [
      'SqliteBackupProgress',
      'SqliteChanges',
      'SqliteDatabase',
      'SqliteOptions',
      'SqliteReader',
      'SqliteResources',
      'SqliteStatement',
      'SqliteTransaction',
    ],
  },
  './node-sqlite': {
    values: ['sqlite', 'sqliteResources'],
    types: [
      'SqliteBackupProgress',
      'SqliteChanges',
      'SqliteDatabase',
      'SqliteOptions',
      'SqliteReader',
      'SqliteResources',
      'SqliteStatement',
      'SqliteTransaction',
    ],
  },
  './ws': {
    values: [
      'SocketBrokenError',
      'SocketClosedError',
      'SocketConnectError',
      'SocketOverflowError',
      'connect',
      'serveSockets',
      'socket',
    ],
    types: ['ConnectOptions', 'Socket', 'SocketClose', 'SocketOptions', 'WebSocketServerLike'],
  },
  './http': {
    values: ['graceful', 'handle', 'listen', 'scoped'],
    types: [
      'AdapterOptions',
      'AnyServer',
      'GracefulOptions',
      'HandleOptions',
      'ListenOptions',
      'Listener',
      'Listening',
    ],
  },
  './express': { values: ['expressHandler', 'expressScope'], types: ['AdapterOptions'] },
  './fastify': { values: ['fastifyScope'], types: ['AdapterOptions', 'FastifyScopeOptions'] },
  './hono': { values: ['honoFetch', 'honoScope'], types: ['AdapterOptions', 'HonoLike'] },
  './koa': { values: ['koaListener'], types: ['AdapterOptions'] },
  './inspector': {
    values: ['InspectorInProductionError', 'inspector', 'snapshot'],
    types: ['Inspector', 'InspectorOptions', 'Snapshot'],
  },
  './stack': { values: ['AsyncDisposableStack', 'DisposableStack', 'SuppressedError'], types: [] },
  './otel': { values: ['metrics'], types: [] },
  './testing': {
    values: ['allowLeak', 'assertNoLeaks', 'fakeResource', 'noLeaks', 'watchTests'],
    types: ['FakeRecord'],
  },
  './node': { values: ['closing', 'exiting', 'finishing', 'shutdownOnSignals'], types: [] },
}

const packageFile = read('package.json')
// The file is ours, and the first test looks at its shape.
const manifest = JSON.parse(packageFile) as Manifest
const require = createRequire(import.meta.url)

function nameOf(entry: string): string {
  return `unwind${entry.slice(1)}`
}

async function valuesOf(entry: string): Promise<string[]> {
  // A namespace object has the names and nothing else.
  const loaded = (await import(nameOf(entry))) as object
  return Object.keys(loaded).toSorted()
}

/** What a declaration file exports, values included. */
function declaredIn(declarations: string): string[] {
  const lists = [...declarations.matchAll(/^export (?:type )?\{(?<names>[^}]*)\}/gm)]
  const listed = lists.flatMap(({ groups }) => (groups?.['names'] ?? '').split(','))
  const here = declarations.matchAll(
    /^export (?:declare )?(?:abstract )?(?:class|const|function|interface|type) (?<name>\w+)/gm,
  )
  const names = [
    ...listed.map((name) =>
      name
        .replace(/^.* as /, '')
        .replace('type ', '')
        .trim(),
    ),
    ...[...here].map(({ groups }) => groups?.['name'] ?? ''),
  ]
  return [...new Set(names.filter((name) => name !== ''))].toSorted()
}

describe('the exports map', () => {
  test('has the entry points of the list, and the manifest', () => {
    const { './package.json': self, ...rest } = manifest.exports
    assert.equal(self, './package.json')
    assert.deepEqual(Object.keys(rest).toSorted(), Object.keys(entries).toSorted())
  })

  for (const [entry, names] of Object.entries(entries)) {
    test(`${nameOf(entry)} has types and code, and nothing for anybody else`, () => {
      const conditions = manifest.exports[entry]
      assert.ok(typeof conditions === 'object')
      // The types come first: the compiler takes the first condition that it knows.
      assert.deepEqual(Object.keys(conditions), ['types', 'default'])
      for (const file of Object.values(conditions)) assert.ok(existsSync(pathOf(file)), file)
    })

    test(`${nameOf(entry)} exports the values of the list`, async () => {
      assert.deepEqual(await valuesOf(entry), names.values)
    })

    test(`${nameOf(entry)} exports the types of the list`, () => {
      const conditions = manifest.exports[entry]
      assert.ok(typeof conditions === 'object')
      const declared = declaredIn(read(conditions['types'] ?? ''))
      assert.deepEqual(
        declared.filter((name) => !names.values.includes(name)),
        names.types,
      )
    })

    test(`${nameOf(entry)} can be required`, async () => {
      // A namespace object has the names and nothing else.
      const required = require(nameOf(entry)) as object
      assert.deepEqual(
        Object.keys(required)
          .filter((name) => name !== '__esModule' && name !== 'module.exports')
          .toSorted(),
        await valuesOf(entry),
      )
    })

    test(`the types of ${nameOf(entry)} have a test`, () => {
      const name = entry === '.' ? 'index' : entry.slice(2)
      assert.ok(existsSync(pathOf(`types/${name}.test-d.ts`)))
    })
  }

  test('lets nobody in past the entry points', async () => {
    for (const inside of ['core/scope.js', 'dist/index.js', 'dist/core/scope.js', 'src/index.ts']) {
      await assert.rejects(import(`unwind/${inside}`), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
    }
  })
})

describe('the manifest', () => {
  test('asks for tslib alone, and every driver is optional', () => {
    assert.deepEqual(Object.keys(manifest.dependencies), ['tslib'])
    for (const peer of Object.keys(manifest.peerDependencies)) {
      assert.equal(manifest.peerDependenciesMeta[peer]?.optional, true, peer)
    }
  })
})
