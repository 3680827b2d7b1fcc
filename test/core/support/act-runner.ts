/** Does what a program of acts says, and keeps the ledger: what was acquired, what failed, who was told. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import {
  createApp,
  resource,
  tryCurrentScope,
  type App,
  type Exit,
  type Lifetime,
  type Resource,
  type Scope,
} from 'unwind'
import type { Act, Whom } from './act-plans.ts'
import { Ledger, type Entry } from './scope-ledger.ts'
import type { Ending } from './scope-plans.ts'
import { readAll, turns } from './turns.ts'

const released = 'unwind:resource:released'

/** @returns every promise that was broken */
export async function runActs(program: readonly Act[]): Promise<readonly string[]> {
  const runner = new Runner()
  await runner.run(program)
  return runner.ledger.breaches
}

class Runner {
  readonly ledger = new Ledger()
  readonly #apps: readonly [App, App] = [this.#app(), this.#app()]
  /** All that were ever open. */
  readonly #scopes: Scope[] = [...this.#apps]
  readonly #aside: Promise<void>[] = []
  readonly #subscribers: (() => void)[] = []

  #app(): App {
    return createApp({ disposeTimeout: 30_000, onError: (error) => this.ledger.hear(error) })
  }

  async run(program: readonly Act[]): Promise<void> {
    const [first] = this.#apps
    this.#putAside(first.run((scope) => this.#all(scope, program)))
    await this.#settled()
    for (const app of this.#apps) this.#putAside(app.close())
    await this.#settled()
    for (const subscriber of this.#subscribers) unsubscribe(released, subscriber)
    // Nobody waits for the release of what came after the end of its scope.
    await turns(20)
    for (const scope of this.#scopes) {
      const { resources, children, tasks } = scope.inspect()
      const left = resources.length + children.length + tasks
      this.ledger.expect(left === 0, `${scope.id} shows ${left} things`)
    }
    this.ledger.verify()
  }

  /** Nobody of the program waits for it. */
  #putAside(promise: Promise<unknown>): void {
    this.#aside.push(this.ledger.heard(promise))
  }

  async #settled(): Promise<void> {
    for (const each of this.#aside) await each
  }

  async #all(scope: Scope, acts: readonly Act[]): Promise<void> {
    this.#know(scope)
    for (const act of acts) {
      const acting = this.#act(scope, act)
      if (act.fate === 'aside') this.#putAside(acting)
      else await (act.fate === 'caught' ? this.ledger.heard(acting) : acting)
    }
  }

  #know(scope: Scope): void {
    if (!this.#scopes.includes(scope)) this.#scopes.push(scope)
    // Everybody may close it, or say how it ends.
    this.ledger.of(scope).meddled = true
  }

  #find(scope: Scope, whom: Whom): Scope {
    if (whom === 'own') return scope
    if (whom === 'around') return scope.parent ?? scope
    if (typeof whom === 'number') return this.#scopes[whom % this.#scopes.length] ?? scope
    const app = this.#appOf(scope)
    return whom === 'the app' ? app : this.#apps[app === this.#apps[0] ? 1 : 0]
  }

  /** In its place, and what comes of it there. */
  async #act(from: Scope, act: Act): Promise<void> {
    const scope = this.#find(from, act.of)
    const work = (at: Scope): Promise<void> => this.#work(at, act)
    switch (act.place) {
      case 'a body':
        return await scope.run(work)
      case 'a body with a deadline':
        return await scope.run({ timeout: 1 }, work)
      case 'a child': {
        await using child = scope.child()
        return await work(child)
      }
      case 'a task':
        return await scope.fork(() => this.#task(scope, act))
      case 'one of all':
        return void (await scope.all([() => this.#task(scope, act), () => {}]))
      case 'a release':
        return this.#register(scope, () => work(scope))
      case 'an acquisition':
        return this.#see(await scope.get(this.#resource(act.lifetime, work)))
      case 'a source':
        return this.#putAside(readAll(scope.stream(this.#source(scope, act))))
      case 'a listener of the abort':
        return this.#listen(scope.signal, () => work(scope))
      case 'a listener of the shutdown':
        return this.#listen(scope.draining, () => work(scope))
      case 'a subscriber':
        return this.#subscribe(() => work(scope))
      case 'a detached job':
        return this.#putAside(this.#appOf(scope).detach(work))
    }
  }

  async #work(scope: Scope, { does, to, lifetime, ending, inner }: Act): Promise<void> {
    this.#know(scope)
    const target = this.#find(scope, to)
    const app = this.#appOf(target)
    if (does === 'close') await this.#close(target)
    else if (does === 'abort') target.abort(new Error('aborted'))
    else if (does === 'fail') target.fail(new Error('announced'))
    else if (does === 'complete') target.complete()
    else if (does === 'shutdown') this.#putAside(this.#shutDown(app))
    else if (does === 'start') this.#putAside(this.#start(app, ending))
    else if (does === 'use') this.#register(target, () => this.ledger.ends('release', ending))
    else this.#see(await target.get(this.#resource(lifetime)))
    await this.#all(scope, inner)
    await this.ledger.ends('work', ending)
  }

  /** Where that waits for the caller, it resolves at once; nobody else may be told before it is over. */
  async #close(scope: Scope): Promise<void> {
    const caller = tryCurrentScope()
    if (caller !== undefined && isWithin(caller, scope)) return await scope.close()
    const wasOpen = scope.state === 'open'
    const closing = scope.close().catch((error: unknown) => {
      this.ledger.expect(wasOpen, `a second close() of ${scope.id} rejects`)
      this.ledger.hear(error)
    })
    const isClosed = (): void => this.ledger.expect(scope.state === 'closed', 'close() was early')
    this.#putAside(closing.then(isClosed))
  }

  async #shutDown(app: App): Promise<void> {
    const { errors } = await app.shutdown({ grace: 1, abortGrace: 30_000 })
    for (const error of errors) this.ledger.hear(error)
  }

  /** It fails if `ending` says so, and gives back what it has. */
  async #start(app: App, ending: Ending): Promise<void> {
    const acquire = (): Promise<void> => this.ledger.ends('start', ending)
    await app.warmUp(this.#resource('app'), resource({ lifetime: 'app', acquire }))
  }

  #register(scope: Scope, end: () => Promise<void>): void {
    const entry = this.ledger.enter('value', scope)
    try {
      scope.defer((exit) => this.#release(entry, exit, end))
    } finally {
      this.#see(entry)
    }
  }

  async #release(entry: Entry, exit: Exit, end: () => Promise<void>): Promise<void> {
    this.ledger.begin(entry, { exit })
    try {
      await end()
      this.ledger.end(entry)
    } catch (error) {
      this.ledger.end(entry, error as Error)
      throw error
    }
  }

  /** What a start that fails gives back is released while its app is open. */
  #see(entry: Entry): void {
    if (entry.scope.kind !== 'app') this.ledger.see(entry)
  }

  #resource(lifetime: Lifetime, work?: (scope: Scope) => Promise<void>): Resource<Entry> {
    return resource({
      lifetime,
      acquire: async ({ scope }) => {
        await work?.(scope)
        return this.ledger.enter('resource', scope)
      },
      release: (entry, exit) => this.#release(entry, exit, () => turns(2)),
    })
  }

  async #task(scope: Scope, act: Act): Promise<void> {
    // One that an app gets in the last moment of its shutdown is left behind.
    if (scope.kind === 'app') return await this.#work(scope, act)
    const record = this.ledger.of(scope)
    record.tasks += 1
    try {
      await this.#work(scope, act)
    } finally {
      record.tasks -= 1
    }
  }

  async *#source(scope: Scope, act: Act): AsyncGenerator<number, void, undefined> {
    yield 1
    await this.#work(scope, act)
    yield 2
  }

  #listen(signal: AbortSignal, work: () => Promise<void>): void {
    signal.addEventListener('abort', () => this.#putAside(work()), { once: true })
  }

  /** Told of the next thing that is released anywhere. */
  #subscribe(work: () => Promise<void>): void {
    const subscriber = (): void => {
      unsubscribe(released, subscriber)
      this.#putAside(work())
    }
    this.#subscribers.push(subscriber)
    subscribe(released, subscriber)
  }

  #appOf(scope: Scope): App {
    const [first, second] = this.#apps
    return isWithin(scope, first) ? first : second
  }
}

function isWithin(scope: Scope, outer: Scope): boolean {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at === outer) return true
  }
  return false
}
