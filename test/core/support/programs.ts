/** Random programs that acquire, nest and fail, and the language's own way to run one: nested `await using`. */
export type Step =
  | { readonly act: 'use'; readonly resource: Faulty }
  | { readonly act: 'block'; readonly steps: readonly Step[]; readonly caught: boolean }
  | { readonly act: 'fail'; readonly error: unknown }

/** How a resource ends: at once or later, well or with an error. */
export interface Faulty {
  readonly name: string
  readonly sync: boolean
  readonly slow: boolean
  readonly failure: { readonly error: unknown } | undefined
}

export function randomProgram(seed: number): readonly Step[] {
  const random = generator(seed)
  const chance = (probability: number): boolean => random() < probability
  let names = 0
  const error = (name: string): unknown => (chance(0.15) ? undefined : new Error(name))
  const faulty = (): Faulty => {
    const name = `r${++names}`
    const failure = chance(0.35) ? { error: error(`E${name}`) } : undefined
    return { name, sync: chance(0.4), slow: chance(0.3), failure }
  }
  const steps = (depth: number): Step[] => {
    const list: Step[] = []
    const length = 1 + Math.floor(random() * 5)
    while (list.length < length) {
      if (depth < 3 && chance(0.25)) {
        list.push({ act: 'block', steps: steps(depth + 1), caught: chance(0.5) })
      } else list.push({ act: 'use', resource: faulty() })
    }
    if (chance(0.35)) list.push({ act: 'fail', error: error(`B${++names}`) })
    return list
  }
  return steps(0)
}

/** What is written down while a program runs: acquisitions, releases, caught errors. */
export type Log = (line: string) => void

export function disposable(faulty: Faulty, log: Log): AsyncDisposable | Disposable {
  log(`+${faulty.name}`)
  const end = (): void => {
    log(`-${faulty.name}`)
    if (faulty.failure !== undefined) throw faulty.failure.error
  }
  if (faulty.sync) return { [Symbol.dispose]: end }
  return {
    [Symbol.asyncDispose]: async () => {
      if (faulty.slow) await new Promise((resolve) => setImmediate(resolve))
      end()
    },
  }
}

/** The oracle. Each resource opens a block of its own, so that their number need not be known. */
export async function runNested(
  steps: readonly Step[],
  log: Log,
  caught: (error: unknown) => void,
): Promise<void> {
  const [step, ...rest] = steps
  if (step === undefined) return
  if (step.act === 'fail') throw step.error
  if (step.act === 'use') {
    await using _held = disposable(step.resource, log)
    await runNested(rest, log, caught)
    return
  }
  await guard(step.caught, caught, () => runNested(step.steps, log, caught))
  await runNested(rest, log, caught)
}

export async function guard(
  isCaught: boolean,
  caught: (error: unknown) => void,
  block: () => Promise<void>,
): Promise<void> {
  try {
    await block()
  } catch (error) {
    if (!isCaught) throw error
    caught(error)
  }
}

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
