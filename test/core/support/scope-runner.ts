/** Does what a plan says, and keeps the ledger: what was acquired, what failed, who was told. */
import { setImmediate as turn } from 'node:timers/promises'
import {
  createApp,
  currentScope,
  override,
  resource,
  type AcquireContext,
  type App,
  type Resource,
  type Scope,
} from 'unwind'
import { abortingAt, readAll, turns } from './turns.ts'
import { Ledger, type Entry, type Told } from './scope-ledger.ts'
import {
  targetOf,
  type Act,
  type Does,
  type Ending,
  type Meddling,
  type Plan,
  type Release,
  type ResourcePlan,
  type RunOptions,
  type Step,
  type Steps,
} from './scope-plans.ts'

/** @returns every promise that was broken */
export async function runPlan(plan: Plan): Promise<readonly string[]> {
  const runner = new Runner(plan)
  await runner.run(plan)
  return runner.ledger.breaches
}

class Runner {
  readonly ledger = new Ledger()
  readonly #app: App
  readonly #resources: Resource<Entry>[] = []
  /** What nobody has to wait for, and streams that are read when the body that gave them out is over. */
  readonly #aside: Promise<unknown>[] = []
  readonly #streams: AsyncGenerator<unknown, void, undefined>[] = []
  #overrides = 0

  constructor({ resources }: Plan) {
    const onError = (error: unknown): void => this.ledger.hear(error)
    this.#app = createApp({ disposeTimeout: 30_000, onError })
    for (const [at, each] of resources.entries()) {
      const needs = each.needs.filter((other) => other < at)
      this.#resources.push(this.#resource(`r${at}`, { ...each, needs }))
    }
  }

  async run({ requests, shutdownAt }: Plan): Promise<void> {
    const app = this.#app
    const running = requests.map((steps) => this.ledger.heard(this.#run(app, {}, steps)))
    if (shutdownAt !== undefined) {
      await turns(shutdownAt)
      await this.#shutDown()
    }
    await Promise.all(running)
    await this.#settled()
    // Tasks may be reading still; nothing else keeps a scope whose body is over.
    for (let left = 2_000; left > 0 && this.#isWaiting(); left -= 1) {
      const stream = this.#streams.shift()
      await (stream === undefined ? turn() : this.ledger.heard(readAll(stream)))
    }
    this.ledger.expect(this.ledger.parked.length === 0, 'a scope is open for nobody')
    await this.ledger.heard(app.close())
    await this.#settled()
    await turn()
    this.ledger.verify()
  }

  async #settled(): Promise<void> {
    for (const each of this.#aside) await each
  }

  #isWaiting(): boolean {
    return this.#streams.length > 0 || this.ledger.parked.length > 0
  }

  async #steps(scope: Scope, steps: Steps): Promise<void> {
    for (const step of steps) {
      try {
        await this.#step(scope, step)
      } catch (error) {
        if (!step.caught) throw error
        this.ledger.hear(error)
      }
    }
  }

  #step(scope: Scope, step: Step): Promise<unknown> | void {
    switch (step.does) {
      case 'get':
        return this.#get(scope, step)
      case 'use':
      case 'adopt':
      case 'defer':
        return this.#register(scope, step.does, step)
      case 'run':
        return this.#run(scope, step.options, step.steps)
      case 'child':
        return this.#child(scope, step)
      case 'fork':
        return this.#fork(scope, step)
      case 'enter':
        return scope.enter(() => this.#steps(scope, step.steps))
      case 'detach':
        this.#aside.push(this.ledger.heard(this.#app.detach((job) => this.#steps(job, step.steps))))
        return undefined
      case 'all':
        return scope.all(step.parts.map((part) => () => this.#task(scope, part)))
      case 'both':
        return this.ledger.both(step.parts.map((part) => this.#steps(scope, part)))
      case 'stream':
        return this.#stream(scope, step)
      case 'listen':
        return this.#listen(scope, step)
      case 'wait':
        return turns(step.turns)
      case 'end':
        return this.#end(scope, step.how)
    }
  }

  #listen(scope: Scope, { to, closes }: Does<'listen'>): void {
    const target = targetOf(scope, this.#app, closes)
    const listener = (): void => {
      // Before their bodies are over, perhaps: whoever closes first is told how it ends.
      for (const each of [scope, target]) this.ledger.of(each).meddled = true
      const closing = closes === 'the app in order' ? this.#shutDown() : target.close()
      this.#aside.push(this.ledger.heard(closing))
    }
    scope[to].addEventListener('abort', listener, { once: true })
  }

  async #shutDown(): Promise<void> {
    const { errors, stuck } = await this.#app.shutdown({ grace: 1, abortGrace: 30_000 })
    for (const error of errors) this.ledger.hear(error)
    this.ledger.expect(stuck.length === 0, 'something is stuck')
  }

  #end(scope: Scope, how: Act): Promise<void> | void {
    if (how !== 'abort' && how !== 'throw') this.ledger.of(scope).meddled = true
    if (how === 'abort') scope.abort(new Error('aborted'))
    else if (how === 'fail') scope.fail(new Error('announced'))
    else if (how === 'complete') scope.complete()
    else if (how === 'throw') throw this.ledger.error('body')
    else if (how === 'close') return scope.close()
    else return this.#app.close()
  }

  async #run(parent: Scope, options: RunOptions, steps: Steps): Promise<void> {
    let opened: Scope | undefined
    const running = parent.run(this.#options(options), async (scope) => {
      opened = scope
      this.ledger.of(scope)
      this.ledger.expect(currentScope() === scope, 'a body runs in another scope')
      await this.#steps(scope, steps)
      this.ledger.expect(currentScope() === scope, 'a body has lost its scope')
    })
    const [settled] = await Promise.allSettled([running])
    const failure = settled.status === 'rejected' ? { error: settled.reason as unknown } : undefined
    if (opened !== undefined) this.ledger.of(opened).result = failure ?? 'fulfilled'
    if (failure !== undefined) throw failure.error
  }

  #options({ kind, abortAt, override: replaced }: RunOptions) {
    const original = replaced && this.#resources[replaced.of]
    const by = replaced && this.#resource(`override ${++this.#overrides}`, replaced.by)
    return {
      ...(kind !== undefined && { kind }),
      ...(abortAt !== undefined && { signal: abortingAt(abortAt) }),
      ...(original && by && { overrides: [override(original, by)] }),
    }
  }

  async #child(parent: Scope, { leaves, steps }: Does<'child'>): Promise<void> {
    const scope = parent.child()
    this.ledger.of(scope)
    if (leaves === 'open') return await this.#steps(scope, steps)
    await using _closed = scope
    await this.#steps(scope, steps)
    scope.complete()
  }

  async #fork(scope: Scope, { waits, steps }: Does<'fork'>): Promise<void> {
    const task = scope.fork(() => this.#task(scope, steps))
    if (waits) await task
  }

  async #task(scope: Scope, steps: Steps): Promise<void> {
    const record = this.ledger.of(scope)
    record.tasks += 1
    try {
      await this.#steps(scope, steps)
    } finally {
      record.tasks -= 1
    }
  }

  async #stream(scope: Scope, { reads, source }: Does<'stream'>): Promise<void> {
    const stream = scope.stream(this.#source(source))
    // Whose body is over then has told its outcome.
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      this.ledger.of(at).meddled = true
    }
    if (reads === 'later') this.#streams.push(stream)
    else if (reads === 'all') await readAll(stream)
    else {
      if (reads === 'one') await stream.next()
      await stream.return()
    }
  }

  async *#source(ending: Ending): AsyncGenerator<number> {
    yield 1
    await this.ledger.ends('source', ending)
    yield 2
  }

  async #get(scope: Scope, { resource: at, giveUpAt }: Does<'get'>): Promise<void> {
    const wanted = this.#resources[at]
    if (wanted === undefined) return
    const options = giveUpAt === undefined ? {} : { signal: abortingAt(giveUpAt) }
    this.ledger.see(await scope.get(wanted, options))
  }

  #register(scope: Scope, how: 'use' | 'adopt' | 'defer', release: Release): void {
    const entry = this.ledger.enter(how, scope)
    const end = (told?: Told): unknown => this.#release(entry, release, told)
    if (how === 'defer') scope.defer((exit) => end({ exit }))
    else if (how === 'adopt') scope.adopt(entry, (_entry, exit) => end({ exit }))
    else scope.use({ [Symbol.asyncDispose]: async () => void (await end()) })
    this.ledger.see(entry)
  }

  #resource(name: string, plan: ResourcePlan): Resource<Entry> {
    const { lifetime, form } = plan
    const options = { name, lifetime, acquireTimeout: plan.acquire === 'never' ? 1 : 30_000 }
    const acquire = (context: AcquireContext) => this.#acquire(name, plan, context)
    const release = (entry: Entry, told: Told) => this.#release(entry, plan, told)
    if (form === 'functions') {
      return resource({ ...options, acquire, release: (entry, exit) => release(entry, { exit }) })
    }
    return resource(async function* (context) {
      const entry = await acquire(context)
      let told: Told
      try {
        told = { exit: yield entry }
      } catch (thrown) {
        await release(entry, { thrown })
        throw thrown
      }
      await release(entry, told)
    }, options)
  }

  async #acquire(name: string, plan: ResourcePlan, context: AcquireContext): Promise<Entry> {
    const { acquire, needs } = plan
    for (const at of needs) {
      const needed = this.#resources[at]
      if (needed !== undefined) this.ledger.see(await context.get(needed))
    }
    if (acquire === 'never') await new Promise(() => {})
    else await this.ledger.ends(name, acquire)
    this.ledger.expect(currentScope() === context.scope, `${name} is acquired elsewhere`)
    return this.ledger.enter(name, context.scope, plan.lifetime !== 'transient')
  }

  #release(entry: Entry, { release, meddles }: Release, told: Told | undefined): unknown {
    this.ledger.begin(entry, told)
    if (meddles === undefined && !release.startsWith('slow')) return this.#over(entry, release)
    return (async () => {
      if (meddles !== undefined) await this.#meddle(entry.scope, meddles)
      if (release.startsWith('slow')) await turns(7)
      this.#over(entry, release)
    })()
  }

  #over(entry: Entry, release: Ending): void {
    const error = release.endsWith('throws') ? this.ledger.error(`-${entry.name}`) : undefined
    this.ledger.end(entry, error)
    if (error !== undefined) throw error
  }

  /** A release that uses its scope: that gives something, or an error of ours, and never waits for itself. */
  async #meddle(scope: Scope, how: Meddling): Promise<void> {
    const [wanted] = this.#resources
    // The release of what came too late: whoever closes first is told how it ends.
    if (how === 'closes' && scope.state === 'open') this.ledger.of(scope).meddled = true
    if (how === 'gets' && wanted) await this.ledger.heard(scope.get(wanted))
    else if (how === 'closes') await this.ledger.heard(scope.close())
    else if (how === 'aborts') scope.abort(new Error('too late'))
    else if (how === 'runs') await this.ledger.heard(scope.run(() => {}))
    else if (scope.state !== 'closed') this.#register(scope, 'defer', { release: 'throws' })
  }
}
