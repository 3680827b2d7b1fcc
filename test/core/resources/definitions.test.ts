/** What `resource` refuses to define, because it could only fail when it is acquired. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource } from 'unwind'
import { thrown } from '../support/promises.ts'

test('resource refuses options beside a specification, and a generator inside one', () => {
  const acquire = (): number => 1
  async function* generator() {
    yield 1
  }
  assert.match(
    String(thrown(() => resource({ acquire } as never, { name: 'x' }))),
    /second argument of resource\(\) to be absent/,
  )
  assert.match(
    String(thrown(() => resource({ acquire: generator }))),
    /to be no generator function.*resource\(generator, options\)/,
  )
})

test('resource refuses a class, which cannot be called without new, and says what to write', () => {
  class Client {
    readonly open: boolean = true
  }
  assert.match(
    String(thrown(() => resource(Client as never))),
    /^TypeError: .* write \{ acquire: \(\) => new Example\(\) \}, received \[class Client\]\.$/,
  )
  const acquire = (): Client => new Client()
  for (const spec of [
    { acquire: Client },
    { acquire, release: Client },
    { acquire, destroy: Client },
  ]) {
    const [option] = Object.keys(spec).slice(-1)
    assert.match(
      String(thrown(() => resource(spec as never))),
      new RegExp(`option \`${option}\` of resource.* write \\(\\) => new Example\\(\\), received`),
    )
  }
})

test('a frozen function is no class', () => {
  const frozen = Object.freeze(function* frozen() {
    yield 1
  })
  assert.equal(resource(frozen).name, 'frozen')
  assert.equal(resource({ acquire: Object.freeze(function acquired() {}) }).name, 'acquired')
})
