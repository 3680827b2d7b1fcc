import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { readArguments, StartError } from '../../examples/shop/arguments.ts'
import { runExample, startExample, type Ended } from './support/example.ts'
import { assertBalanced, few, none, temporaryFolder } from './support/shop.ts'

test('a shop waits for one that is about to leave the file', { timeout: 180_000 }, async () => {
  await using folder = await temporaryFolder()
  const options = { cwd: folder.path }
  const first = startExample('shop/main', [...none, '--serve'], options)
  await first.printed(/Serving/)
  const second = startExample('shop/main', few, options)
  await second.printed(/Waiting/)
  first.child.kill('SIGTERM')
  assertBalanced(await first.ended)
  assertBalanced(await second.ended)
})

suite(
  'a shop that cannot start says why in one line, and exits with 2',
  { timeout: 180_000, concurrency: 3 },
  () => {
    // One of the mistakes on the command line: the others need no process of their own.
    test('an unknown option', async () => {
      assertRefused(await runExample('shop/main', ['--color']), /Unknown option '--color'/)
    })

    test('a folder that is not there', async () => {
      const words = ['--database', '/nowhere/shop.db']
      assertRefused(await runExample('shop/main', words), /\/nowhere/)
    })

    test('a file that is no database', async () => {
      await using folder = await temporaryFolder()
      const database = join(folder.path, 'letter.txt')
      await writeFile(
        database,
        'Dear reader, this is no database, and it stays as it is.'.repeat(50),
      )
      assertRefused(await runExample('shop/main', ['--database', database]), /letter\.txt/)
    })

    test('a file that another shop has open', async () => {
      await using folder = await temporaryFolder()
      const options = { cwd: folder.path }
      const first = startExample('shop/main', [...none, '--serve'], options)
      await first.printed(/Serving/)
      const { code, out, err } = await runExample('shop/main', few, options)
      assert.equal(out, '  Waiting for the program that has SQLite, shop.db open.\n')
      assert.match(err, /^unwind shop: [^\n]*another program has the file open[^\n]*\n$/)
      assert.equal(code, 2)
      first.child.kill('SIGTERM')
      assertBalanced(await first.ended)
    })

    test('a port that is taken', async () => {
      await using folder = await temporaryFolder()
      await using taken = createServer()
      await once(taken.listen(0, '127.0.0.1'), 'listening')
      const address = taken.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const words = [...few, '--port', String(port)]
      const ended = await runExample('shop/main', words, { cwd: folder.path })
      assert.match(ended.err, /^unwind shop: [^\n]*EADDRINUSE[^\n]*\n$/)
      assert.equal(ended.code, 2)
    })

    test('a DATABASE_URL where nobody listens, without its password', async () => {
      const databaseUrl = 'postgres://shop:secret@127.0.0.1:1/shop'
      const ended = await runExample('shop/main', few, { databaseUrl })
      assertRefused(ended, /PostgreSQL, 127\.0\.0\.1:1\/shop cannot be opened: .*ECONNREFUSED/)
      assert.doesNotMatch(ended.err, /secret/)
    })

    test('a DATABASE_URL where nobody answers', async () => {
      // It reads, or it would not see its visitors leave.
      await using silent = createServer((socket) => socket.on('error', () => {}).resume())
      await once(silent.listen(0, '127.0.0.1'), 'listening')
      const address = silent.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const databaseUrl = `postgres://127.0.0.1:${port}/shop`
      assertRefused(await runExample('shop/main', few, { databaseUrl }), /timeout/)
    })
  },
)

suite('what the shop cannot be asked for is said in one line', () => {
  const mistakes: [name: string, words: string[], databaseUrl: string, message: RegExp][] = [
    ['a word too many', ['shop.db'], '', /Unexpected argument 'shop\.db'/],
    ['no number', ['--requests', 'many'], '', /--requests wants a whole number .*"many"/],
    ['a negative number', ['--sockets', '-3'], '', /--sockets/],
    ['a number too large', ['--port', '70000'], '', /--port wants .* to 65535/],
    ['no value', ['--database'], '', /--database/],
    ['a DATABASE_URL of something else', few, 'mysql://localhost/shop', /DATABASE_URL wants/],
  ]
  for (const [name, words, databaseUrl, message] of mistakes) {
    test(name, () => {
      assert.throws(
        () => readArguments(words, databaseUrl),
        (error) => {
          assert.ok(error instanceof StartError)
          assert.match(error.message, /^[^\n]+$/)
          assert.match(error.message, message)
          return true
        },
      )
    })
  }
})

test('--help says what there is, in lines of at most 100 columns', async () => {
  const { code, out, err } = await runExample('shop/main', ['--help'])
  assert.deepEqual({ code, err }, { code: 0, err: '' })
  for (const word of ['requests', 'sockets', 'database', 'port', 'serve', 'help']) {
    assert.match(out, new RegExp(`^  --${word}`, 'm'))
  }
  for (const line of out.split('\n')) assert.ok(line.length <= 100, line)
})

function assertRefused({ code, out, err }: Ended, message: RegExp): void {
  assert.equal(out, '')
  assert.match(err, /^unwind shop: [^\n]+\n$/)
  assert.match(err, message)
  assert.equal(code, 2)
}
