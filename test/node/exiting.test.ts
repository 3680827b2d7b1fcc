/** What `exiting` makes of child processes: they have exited when they have been disposed. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { exiting } from 'unwind/node'
import { isPending, rejection, within } from '../core/support/promises.ts'

const stays = 'setInterval(() => {}, 60_000)'
const ready = "process.send('ready')"

/** A process that says when it runs. */
async function started(t: TestContext, source: string): Promise<ChildProcess> {
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
  const child = spawn(process.execPath, ['--eval', `${source}; ${ready}`], { stdio: [...stdio] })
  t.after(() => child.kill('SIGKILL'))
  await within(once(child, 'message'))
  return child
}

test('the child is asked to end with SIGTERM, and has exited after the disposal', async (t) => {
  const child = await started(t, stays)
  {
    await using held = exiting(child)
    assert.equal(held.value, child)
    assert.equal(held.value.exitCode, null)
  }
  assert.equal(child.signalCode, 'SIGTERM')
})

test('a child that ends in its own way is waited for', async (t) => {
  const child = await started(
    t,
    `${stays}; process.on('SIGTERM', () => process.send('asked')); process.on('message', () => process.exit(7))`,
  )
  const asked = once(child, 'message')
  const held = exiting(child, { grace: 60_000 })
  const disposals = [held[Symbol.asyncDispose](), held[Symbol.asyncDispose]()]
  await within(asked)
  assert.ok(await isPending(Promise.race(disposals)))
  child.send('end')
  await within(Promise.all(disposals))
  assert.equal(child.exitCode, 7)
})

test('a child that ignores the signal is killed after the grace', async (t) => {
  const child = await started(t, `${stays}; process.on('SIGTERM', () => {})`)
  await within(exiting(child, { grace: 20 })[Symbol.asyncDispose]())
  assert.equal(child.signalCode, 'SIGKILL')
})

test('another signal can be asked for', async (t) => {
  const child = await started(t, `${stays}; process.on('SIGINT', () => process.exit(3))`)
  await within(exiting(child, { signal: 'SIGINT' })[Symbol.asyncDispose]())
  assert.equal(child.exitCode, 3)
})

test('a child that has exited is left alone', async (t) => {
  for (const source of ['process.exit(0)', "process.kill(process.pid, 'SIGKILL')"]) {
    const child = spawn(process.execPath, ['--eval', source], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    await within(once(child, 'exit'))
    await within(exiting(child)[Symbol.asyncDispose]())
  }
})

test('a child that never started is left alone', async () => {
  const child = spawn('/no/such/program')
  const failed = once(child, 'error')
  await within(exiting(child)[Symbol.asyncDispose]())
  const [error] = (await within(failed)) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ENOENT')
})

test('an error of a child that nobody listened to is what disposing rejects with, and ends no process', async (t) => {
  const missing = async (turns: number): Promise<NodeJS.ErrnoException> => {
    const held = exiting(spawn('/no/such/program'))
    if (turns > 0) await turn()
    return (await rejection(held[Symbol.asyncDispose]())) as NodeJS.ErrnoException
  }
  assert.equal((await missing(0)).code, 'ENOENT')
  assert.equal((await missing(1)).code, 'ENOENT')
  const controller = new AbortController()
  const aborted = spawn(process.execPath, ['--eval', stays], { signal: controller.signal })
  t.after(() => aborted.kill('SIGKILL'))
  const held = exiting(aborted)
  await within(once(aborted, 'spawn'))
  controller.abort()
  assert.equal(((await rejection(held[Symbol.asyncDispose]())) as Error).name, 'AbortError')
  assert.equal(aborted.listenerCount('error'), 0)
})

test('a child that ends between its exit and our signal is no error', async (t) => {
  const child = await started(t, stays)
  child.kill('SIGKILL')
  await within(exiting(child)[Symbol.asyncDispose]())
  assert.equal(child.signalCode, 'SIGKILL')
})

test('a child that fails to be told something is killed and waited for all the same', async (t) => {
  for (const isHeard of [true, false]) {
    const child = await started(t, `${stays}; process.on('SIGTERM', () => process.send('asked'))`)
    const asked = once(child, 'message')
    const errors: unknown[] = []
    if (isHeard) child.on('error', (error) => errors.push(error))
    const disposing = exiting(child, { grace: 100 })[Symbol.asyncDispose]()
    await within(asked)
    child.disconnect()
    child.send('too late')
    if (isHeard) await within(disposing)
    else errors.push(await rejection(disposing))
    assert.equal(child.signalCode, 'SIGKILL')
    assert.deepEqual(
      errors.map((error) => error instanceof Error && 'code' in error && error.code),
      ['ERR_IPC_CHANNEL_CLOSED'],
    )
  }
})

test('a child that is aborted meanwhile is killed and waited for all the same', async (t) => {
  const controller = new AbortController()
  const source = `${stays}; process.on('SIGTERM', () => console.log('asked')); console.log('ready')`
  const child = spawn(process.execPath, ['--eval', source], { signal: controller.signal })
  t.after(() => child.kill('SIGKILL'))
  child.on('error', () => {})
  await within(once(child.stdout, 'data'))
  const asked = once(child.stdout, 'data')
  const disposing = exiting(child, { grace: 100 })[Symbol.asyncDispose]()
  await within(asked)
  controller.abort()
  await within(disposing)
  assert.equal(child.signalCode, 'SIGKILL')
})

test('a child that cannot be signalled makes disposing reject at once', async (t) => {
  const child = await started(t, stays)
  // What the system says of a child of another user.
  const refused = Object.assign(new Error('kill EPERM'), { code: 'EPERM', syscall: 'kill' })
  child.kill = () => child.emit('error', refused)
  const error = await rejection(exiting(child, { grace: 60_000 })[Symbol.asyncDispose]())
  assert.equal(error, refused)
  Reflect.deleteProperty(child, 'kill')
  child.kill('SIGKILL')
  await within(once(child, 'exit'))
})

test('what is no child process and no option is refused by name', () => {
  assert.throws(() => exiting({} as ChildProcess), /first argument of exiting\(\)/)
  assert.throws(() => exiting(undefined as never), /first argument of exiting\(\)/)
  const child = { kill: () => true } as ChildProcess
  assert.throws(() => exiting(child, { grace: Number.NaN }), /`grace` of exiting\(\)/)
  assert.throws(() => exiting(child, { signal: 'TERM' as never }), /`signal` of exiting\(\)/)
})
