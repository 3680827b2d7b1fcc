/**
 * `npm run bench -- [--quick] [--suite NAME]... [--node 22,24,26]`
 * Every suite in a fresh process, three times. The exit code is 1 if a case does not do what it is timed for.
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would time each other
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { nodeOf } from '../test/support/node-of.ts'
import type { Measured } from './harness.ts'
import { combine, describeMachine, machine, table, write, type Result } from './report.ts'

interface Order {
  readonly suites: readonly string[]
  /** Paths. */
  readonly nodes: readonly string[]
  readonly quick: boolean
}

interface Message {
  readonly question: string
  readonly measured: readonly Measured[]
}

const folder = new URL('micro/', import.meta.url)

process.exitCode = await main()

async function main(): Promise<number> {
  const order = await readOrder()
  if (typeof order === 'string') {
    console.error(order)
    return 2
  }
  let failed = 0
  for (const node of order.nodes) {
    for (const suite of order.suites) if (!(await run(suite, node, order.quick))) failed += 1
  }
  return failed === 0 ? 0 : 1
}

/** What was asked for, or what is wrong with it. */
async function readOrder(): Promise<Order | string> {
  const known = (await readdir(folder)).map((file) => file.replace('.ts', '')).toSorted()
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        suite: { type: 'string', multiple: true, default: known },
        node: { type: 'string' },
      },
    })
    const unknown = values.suite.find((name) => !known.includes(name))
    if (unknown !== undefined) return `No suite "${unknown}". Known: ${known.join(', ')}.`
    const nodes = values.node?.split(',').map(pathOf) ?? [process.execPath]
    return { suites: values.suite, nodes, quick: values.quick }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The newest Node.js of a major version, from the registry. */
function pathOf(major: string): string {
  if (!/^\d+$/.test(major))
    throw new Error(`--node wants major versions such as 22,24: "${major}".`)
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  return nodeOf(major)
}

/** @returns false where a case does not do what it is timed for */
async function run(suite: string, node: string, quick: boolean): Promise<boolean> {
  const described = machine(node)
  const runs: (readonly Measured[])[] = []
  let question = ''
  for (let process = 0; process < (quick ? 1 : 3); process += 1) {
    const message = await runOnce(suite, node, quick)
    if (message === undefined) return false
    question = message.question
    runs.push(message.measured)
  }
  const result: Result = { suite, question, machine: described, quick, rows: combine(runs) }
  console.log(`\n${suite}: ${question}\n${describeMachine(described)}\n\n${table(result.rows)}`)
  if (!quick) await write(result)
  return true
}

async function runOnce(suite: string, node: string, quick: boolean): Promise<Message | undefined> {
  const worker = fork(
    new URL('worker.ts', import.meta.url),
    [suite, ...(quick ? ['--quick'] : [])],
    {
      execPath: node,
      // For Node.js 22, which says so each time.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    },
  )
  let message: Message | undefined
  worker.on('message', (received) => {
    // Sent by worker.ts.
    message = received as Message
  })
  const [code] = (await once(worker, 'exit')) as [number | null]
  return code === 0 ? message : undefined
}
