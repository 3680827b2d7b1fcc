/** What `shutdownOnSignals` makes of signals, in processes of its own. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createApp } from 'unwind'
import { shutdownOnSignals } from 'unwind/node'
import { within } from '../core/support/promises.ts'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))

/** An app with a resource, and a body that runs until it is told to end. */
const prelude = `
import { createApp, resource } from 'unwind'
import { shutdownOnSignals } from 'unwind/node'
const app = createApp({ name: 'shop' })
await app.get(resource({ name: 'pool', lifetime: 'app', acquire: () => 'pool', release: () => console.log('released') }))
const { promise: told, resolve: tell } = Promise.withResolvers()
const body = async (scope) => {
  scope.signal.addEventListener('abort', () => console.log('aborted', scope.signal.reason.code))
  scope.draining.addEventListener('abort', () => console.log('draining'))
  await told
}
// Holds the process.
const beat = setInterval(() => {}, 60_000)
process.on('message', tell)
`

interface Service {
  readonly child: ChildProcess
  /** Resolves when this line was printed. */
  printed(line: string): Promise<void>
  /** Its exit code or the signal that ended it, and every line. */
  ended(): Promise<{ end: number | string; lines: string[] }>
}

async function started(t: TestContext, source: string): Promise<Service> {
  const parameters = ['--input-type=module', '--eval', `${prelude}${source}; console.log('ready')`]
  const child = spawn(process.execPath, parameters, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  t.after(() => child.kill('SIGKILL'))
  const exit = once(child, 'close')
  const lines: string[] = []
  const { stdout, stderr } = child
  assert.ok(stdout !== null && stderr !== null)
  const output = [createInterface(stdout), createInterface(stderr)]
  for (const reader of output) reader.on('line', (line) => lines.push(line))
  const service: Service = {
    child,
    printed: (line) => until(output, () => lines.includes(line)),
    async ended() {
      const [code, signal] = (await within(exit)) as [number | null, string | null]
      return { end: code ?? signal ?? '', lines: lines.filter((line) => line !== 'ready') }
    },
  }
  await service.printed('ready')
  return service
}

async function until(output: readonly Interface[], condition: () => boolean): Promise<void> {
  while (!condition()) {
    await within(Promise.race(output.map((reader) => once(reader, 'line'))))
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} shuts the app down, and the process exits with 0`, async (t) => {
    const service = await started(t, 'shutdownOnSignals(app)')
    service.child.kill(signal)
    assert.deepEqual(await service.ended(), { end: 0, lines: ['released'] })
  })
}

test('what runs may finish, and the resources are released after it', async (t) => {
  const service = await started(
    t,
    'shutdownOnSignals(app); void app.run(body).then(() => console.log("finished"))',
  )
  service.child.kill('SIGTERM')
  await service.printed('draining')
  service.child.send('finish')
  const { end, lines } = await service.ended()
  assert.equal(end, 0)
  assert.deepEqual(lines, ['draining', 'finished', 'released'])
})

test('grace and abortGrace are those of the shutdown, and the report is handed out and waited for', async (t) => {
  const service = await started(
    t,
    `shutdownOnSignals(app, {
      lameDuck: 1, grace: 1, abortGrace: 1,
      async onReport(report) {
        await new Promise(setImmediate)
        console.log(report.drained, report.aborted, report.stuck.length, report.errors.length)
      },
    }); void app.run(body)`,
  )
  service.child.kill('SIGTERM')
  const { end, lines } = await service.ended()
  assert.deepEqual(lines, ['draining', 'aborted ERR_SHUTDOWN', 'released', '0 1 1 0'])
  assert.equal(end, 1, 'something was left behind')
})

test('a second signal exits at once with 128 + its number', async (t) => {
  const service = await started(t, 'shutdownOnSignals(app); void app.run(body)')
  service.child.kill('SIGTERM')
  await service.printed('draining')
  service.child.kill('SIGINT')
  assert.deepEqual(await service.ended(), { end: 130, lines: ['draining'] })
})

test('a release that fails is a warning, and the exit code is 1', async (t) => {
  const service = await started(
    t,
    'app.defer(() => { throw new Error("disk full") }); shutdownOnSignals(app)',
  )
  service.child.kill('SIGTERM')
  const { end, lines } = await service.ended()
  assert.equal(end, 1)
  assert.match(lines.join('\n'), /UNWIND_UNTHROWN.*disk full/)
})

test('a report function that fails is a warning, and the exit code is 1', async (t) => {
  const service = await started(
    t,
    'shutdownOnSignals(app, { onReport: async () => { throw new Error("no log") } })',
  )
  service.child.kill('SIGTERM')
  const { end, lines } = await service.ended()
  assert.equal(end, 1)
  assert.match(lines.join('\n'), /UNWIND_UNTHROWN.*no log/)
})

test('a report function that never ends does not hide in the exit code that something failed', async (t) => {
  const service = await started(
    t,
    `app.defer(() => { throw new Error('disk full') })
     process.removeAllListeners('message'); process.disconnect(); clearInterval(beat)
     const hold = setTimeout(() => {}, 600_000)
     shutdownOnSignals(app, { onReport: () => { clearTimeout(hold); return new Promise(() => {}) } })`,
  )
  service.child.kill('SIGTERM')
  assert.deepEqual(await service.ended(), { end: 1, lines: ['released'] })
})

test('the exit code of the program is kept', async (t) => {
  const service = await started(t, 'shutdownOnSignals(app); process.exitCode = 5')
  service.child.kill('SIGTERM')
  assert.deepEqual(await service.ended(), { end: 5, lines: ['released'] })
})

test('without exit the process ends by itself', async (t) => {
  const service = await started(
    t,
    `shutdownOnSignals(app, { exit: false, onReport: () => console.log('down') })
     process.on('message', () => { clearInterval(beat); process.disconnect(); console.log('end') })`,
  )
  service.child.kill('SIGTERM')
  await service.printed('down')
  service.child.send('end')
  assert.deepEqual(await service.ended(), { end: 0, lines: ['released', 'down', 'end'] })
})

test('other signals can be asked for', async (t) => {
  const service = await started(t, "shutdownOnSignals(app, { signals: ['SIGUSR2'] })")
  service.child.kill('SIGUSR2')
  assert.deepEqual(await service.ended(), { end: 0, lines: ['released'] })
  const other = await started(t, "shutdownOnSignals(app, { signals: ['SIGUSR2'] })")
  other.child.kill('SIGTERM')
  assert.deepEqual(await other.ended(), { end: 'SIGTERM', lines: [] })
})

test('a signal that is named twice is one', async (t) => {
  const service = await started(t, "shutdownOnSignals(app, { signals: ['SIGUSR2', 'SIGUSR2'] })")
  service.child.kill('SIGUSR2')
  assert.deepEqual(await service.ended(), { end: 0, lines: ['released'] })
})

const other = `
const other = createApp({ name: 'other' })
other.defer(async () => {
  await told
  console.log('released the other')
})
`
for (const [order, calls] of [
  ['the first', 'shutdownOnSignals(app); shutdownOnSignals(other)'],
  ['the last', 'shutdownOnSignals(other); shutdownOnSignals(app)'],
] as const) {
  test(`of several apps, ${order} does not exit before the others are down`, async (t) => {
    const service = await started(t, `${other}${calls}`)
    service.child.kill('SIGTERM')
    await service.printed('released')
    // So that an exit would come first.
    service.child.send('end')
    assert.deepEqual(await service.ended(), { end: 0, lines: ['released', 'released the other'] })
  })
}

test('of several apps, one that failed decides the exit code', async (t) => {
  const source = `${other}
other.defer(() => { throw new Error('disk full') })
shutdownOnSignals(app, { exit: false }); shutdownOnSignals(other); tell()`
  const service = await started(t, source)
  service.child.kill('SIGTERM')
  const { end, lines } = await service.ended()
  assert.equal(end, 1)
  assert.deepEqual(lines.slice(0, 2).toSorted(), ['released', 'released the other'])
})

test('disposing removes the handlers', async (t) => {
  const service = await started(t, 'shutdownOnSignals(app)[Symbol.dispose]()')
  service.child.kill('SIGTERM')
  assert.deepEqual(await service.ended(), { end: 'SIGTERM', lines: [] })
})

test('importing it installs nothing, and handlers come and go with the call', async () => {
  await using app = createApp()
  const before = handlers()
  const installed = shutdownOnSignals(app)
  assert.equal(handlers(), before + 2)
  installed[Symbol.dispose]()
  installed[Symbol.dispose]()
  assert.equal(handlers(), before)
})

test('what is no app and no option is refused by name, and installs nothing', async () => {
  await using app = createApp()
  const before = process.listenerCount('SIGTERM')
  assert.throws(() => shutdownOnSignals({} as never), /first argument of shutdownOnSignals\(\)/)
  assert.throws(() => shutdownOnSignals(app, { signals: ['TERM' as never] }), /`signals` of/)
  assert.throws(() => shutdownOnSignals(app, { signals: [] }), /`signals` of/)
  assert.throws(() => shutdownOnSignals(app, { signals: ['SIGTERM', 'SIGKILL'] }), /`signals` of/)
  assert.throws(() => shutdownOnSignals(app, { grace: -1 }), /`grace` of/)
  assert.throws(() => shutdownOnSignals(app, { timeout: 1 } as never), /`timeout` of/)
  assert.equal(process.listenerCount('SIGTERM'), before)
})

function handlers(): number {
  return process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')
}
