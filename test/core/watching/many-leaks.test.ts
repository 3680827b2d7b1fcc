/** What leak detection remembers has an end, in a program that goes on for long and makes up what it says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { script } from '../support/script.ts'

test('a thousand places are remembered: one that was forgotten is told anew', async () => {
  const others = '() => lose(), '.repeat(1_000)
  const lines = await script(
    `
    import { detectLeaks } from 'unwind'
    let warned = 0
    process.on('warning', () => (warned += 1))
    const sites = []
    detectLeaks({ level: 'full', onLeak: ({ site }) => sites.push(site) })
    const app = createApp()
    // None of them becomes garbage, which would be another leak.
    const kept = []
    const lose = () => void kept.push(hold({}, () => {}, { name: 'lost' }))
    const first = () => lose()
    const told = []
    for (const one of [first, first, ${others} first]) {
      await app.run(() => one())
      await turn()
      told.push(warned)
    }
    console.log(told[0], told[1], told[1001], told[1002])
    console.log(sites.length, new Set(sites).size, sites[1002] === sites[0], sites.every((site) => site.startsWith('at lose ')))`,
    '--no-warnings',
  )
  assert.deepEqual(lines, ['1 1 1001 1002', '1003 1001 true true'])
})

test('of a place that was forgotten nothing is said when its leak comes back', async () => {
  const lines = await script(
    `
    import { detectLeaks } from 'unwind'
    import { createServer } from 'node:http'
    import { inspector } from 'unwind/inspector'
    const warnings = []
    process.on('warning', ({ message }) => warnings.push(message))
    detectLeaks({ level: 'full' })
    const app = createApp()
    const kept = []
    const lose = () => void kept.push(hold({}, () => {}, { name: 'lost' }))
    for (const one of [() => lose(), ${'() => lose(), '.repeat(1_000)}]) await app.run(() => one())
    await kept[0][Symbol.asyncDispose]()
    await kept[1][Symbol.asyncDispose]()
    await turn()
    console.log(warnings.filter((message) => message.includes('returned after all')).length)
    const look = inspector(app)
    const server = createServer(look.handler).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const url = look.url('http://127.0.0.1:' + server.address().port)
    const visit = await fetch(url, { redirect: 'manual' })
    const cookie = visit.headers.get('set-cookie').split(';')[0]
    const page = new URL('snapshot.json', url)
    const { counts } = await (await fetch(page, { headers: { cookie } })).json()
    console.log(counts.leaks)
    await look[Symbol.asyncDispose]()
    server.closeAllConnections()
    server.close()`,
    '--no-warnings',
  )
  assert.deepEqual(lines, ['1', '999'])
})

test('five hundred names are counted apart, and the rest of them as others', async () => {
  const lines = await script(
    `
    import { detectLeaks } from 'unwind'
    const named = new Set()
    detectLeaks({ level: 'simple', onLeak: (leak) => named.add(leak.resource) })
    for (let at = 0; at < 600; at += 1) await run(() => void hold({}, () => {}, { name: 'n' + at }))
    console.log(named.has('n400'), named.has('n500'), named.has('others'))
    named.clear()
    for (const name of ['n401', 'n501']) await run(() => void hold({}, () => {}, { name }))
    console.log(...named)`,
    '--no-warnings',
  )
  assert.deepEqual(lines, ['true false true', 'n401 others'])
})

test('a second and more is told in seconds', async () => {
  const lines = await script(`
    import { subscribe } from 'node:diagnostics_channel'
    const now = performance.now.bind(performance)
    let later = 0
    performance.now = () => now() + later
    // While somebody listens to times they are exact.
    subscribe('unwind:resource:released', () => {})
    process.on('warning', ({ message }) => console.log(message.split('\\n')[0]))
    for (later of [0, 100_000]) await run(() => {
      hold({}, () => {}, { name: 'lost' + later })
      later += 2_500
    })
  `)
  assert.equal(lines.length, 2, lines.join('\n'))
  for (const line of lines)
    assert.match(line, / is still held .* has closed, 2\.5 s after it was acquired/)
})

test('one timer looks for them, however many it has found', async () => {
  const lines = await script(
    `
    import { createHook } from 'node:async_hooks'
    import { detectLeaks } from 'unwind'
    const timers = new Set()
    createHook({
      init: (id, type) => void (type === 'Timeout' && timers.add(id)),
      destroy: (id) => void timers.delete(id),
    }).enable()
    let wake
    detectLeaks({
      level: 'simple',
      threshold: 10,
      onLeak: () => run(() => {}).then(() => wake()),
    })
    const scope = createApp().child()
    const alive = setInterval(() => {}, 1_000)
    for (let at = 0; at < 5; at += 1) {
      const found = new Promise((resolve) => (wake = resolve))
      // Of each nobody knows where it was acquired.
      await scope.get(resource({ name: 'lost' + at, acquire: () => ({}), release() {} }))
      await found
    }
    clearInterval(alive)
    await turn()
    await turn()
    console.log(timers.size)`,
    '--no-warnings',
  )
  assert.deepEqual(lines, ['1'])
})

test('what is held for too long is found although others leak all the time', async () => {
  const lines = await script(
    `
    import { setTimeout as pause } from 'node:timers/promises'
    import { detectLeaks } from 'unwind'
    let found = false
    detectLeaks({ level: 'simple', threshold: 40, onLeak: ({ reason }) => (found ||= reason === 'age') })
    const app = createApp()
    await app.child().get(resource({ name: 'old', acquire: () => ({}), release() {} }))
    for (let at = 0; at < 400 && !found; at += 1) {
      await app.run(() => void hold({}, () => {}, { name: 'lost' + at }))
      await pause(2)
    }
    console.log(found)`,
    '--no-warnings',
  )
  assert.deepEqual(lines, ['true'])
})

test('what outlives its scope is found without a look at all that has leaked before', async () => {
  const lines = await script(
    `
    const { toReversed } = Array.prototype
    let looks = 0
    Array.prototype.toReversed = function () {
      looks += this.length
      return toReversed.call(this)
    }
    for (let at = 0; at < 200; at += 1) await run(() => void hold({}, () => {}))
    console.log(looks < 1_000)`,
    '--no-warnings',
  )
  assert.deepEqual(lines, ['true'])
})
