/** Where something was acquired is said as the program wants stacks to be said, and the program notices nothing of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { script } from '../support/script.ts'

const sitesOf = `
  import { detectLeaks } from 'unwind'
  detectLeaks({ level: 'full' })
  const app = createApp()
  const lost = resource({ name: 'lost', acquire: () => ({}), release: () => {} })
  async function siteHere() {
    const scope = app.child()
    await scope.get(lost)
    const [{ stack }] = scope.inspect().resources
    await scope.close()
    return stack
  }
`

test('one place has the same site each time, another has another', async () => {
  const lines = await script(`${sitesOf}
    const same = new Set()
    for (let time = 0; time < 3; time += 1) same.add(await siteHere())
    const other = await siteHere()
    console.log(same.size, same.has(other), other.split('\\n').length > 1, /at siteHere/.test(other))
  `)
  assert.deepEqual(lines, ['1 false true true'])
})

test('a hook that formats stacks formats the site, and stays what it was, as the limit of frames does', async () => {
  const lines = await script(`${sitesOf}
    const hook = (error, frames) =>
      [String(error), ...frames.map((frame) => '    at mapped:' + frame.getLineNumber())].join('\\n')
    Error.prepareStackTrace = hook
    Error.stackTraceLimit = 3
    const same = new Set()
    for (let time = 0; time < 3; time += 1) same.add(await siteHere())
    const [site] = same
    console.log(same.size, /^at mapped:\\d+$/m.test(site))
    console.log(Error.prepareStackTrace === hook, Error.stackTraceLimit)
  `)
  assert.deepEqual(lines, ['1 true', 'true 3'])
})

test('places differ by lines and columns where a runtime tells nothing else of them, as Bun does', async () => {
  const lines = await script(`${sitesOf}
    let prepare
    const told = (frame) => ({
      getScriptNameOrSourceURL: () => frame.getScriptNameOrSourceURL(),
      getLineNumber: () => frame.getLineNumber(),
      getColumnNumber: () => frame.getColumnNumber(),
    })
    Object.defineProperty(Error, 'prepareStackTrace', {
      get: () => prepare && ((error, frames) => prepare(error, frames.map(told))),
      set: (hook) => { prepare = hook },
    })
    const same = new Set()
    for (let time = 0; time < 3; time += 1) same.add(await siteHere())
    const [left, right] = [await siteHere(), await siteHere()]
    console.log(same.size, same.has(left), left === right, /at siteHere/.test(left))
  `)
  assert.deepEqual(lines, ['1 false false true'])
})

test('a program that froze Error has its scopes watched all the same', async () => {
  const lines = await script(`${sitesOf}
    Object.freeze(Error)
    console.log(/at siteHere/.test(await siteHere()))
  `)
  assert.deepEqual(lines, ['true'])
})

for (const options of ['', "{ name: 'job' }, "]) {
  test(`what run(${options}body) closes outside every scope is said with the line that called it`, async () => {
    const lines = await script(`
      import { detectLeaks } from 'unwind'
      detectLeaks({ level: 'full' })
      let left
      async function runHere() {
        // A call whose result is returned leaves no line in Bun.
        await run(${options}(scope) => { left = scope })
      }
      await runHere()
      left.get(resource({ acquire: () => 1 })).catch(({ cause }) => console.log(/at runHere/.test(cause.stack)))
    `)
    assert.deepEqual(lines, ['true'])
  })
}
