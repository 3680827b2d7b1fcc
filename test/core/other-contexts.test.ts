/**
 * Node.js keeps contexts in frames, or on the resources of async_hooks; by a flag, each version also the other way. What
 * depends on contexts is promised with both.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { extname } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** Of Node.js 24 and later; of 22. */
const flags = ['--no-async-context-frame', '--experimental-async-context-frame']

const files = [
  'context',
  'order',
  'resources/acquire-failure',
  'resources/caching',
  'resources/dependencies',
  'tasks',
]

test('what depends on contexts holds, too, where Node.js keeps them the other way', () => {
  const flag = flags.find((one) => process.allowedNodeEnvironmentFlags.has(one))
  assert.ok(flag, 'This Node.js has no other way any more: the probe in core/context.ts can go.')
  const extension = extname(fileURLToPath(import.meta.url))
  const paths = files.map((name) => new URL(`${name}.test${extension}`, import.meta.url).pathname)
  // Within a test of its own, node --test would leave out what it is asked to run.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const parameters = ['--test', '--test-reporter=tap', '--test-timeout=60000', flag, ...paths]
  const { status, stdout } = spawnSync(process.execPath, parameters, { encoding: 'utf8', env })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^# pass [1-9]\d\d$/m)
})
