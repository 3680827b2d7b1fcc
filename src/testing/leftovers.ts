/**
 * What is still held, as a test would be told: each thing once, the outermost one where things hold each other. Only what
 * was acquired while everything is watched is known; see current-test.ts for whose it is.
 */
import { childrenOf, downFrom } from '../core/tree.ts'
import { entriesOf } from '../core/finalizers.ts'
import { allHeld } from '../core/watching/held.ts'
import { Instance } from '../core/resources/instance.ts'
import { title } from '../core/misuse.ts'
import { noteOf, type Note } from '../core/watching/notes.ts'
import { openApps } from '../core/watching/open-apps.ts'
import type { ScopeNode } from '../core/scope.ts'
import { mayStay } from './allowed.ts'

export interface Leftover {
  /** In words, for a message. */
  readonly what: string
  readonly note: Note
  /** Give it back, as far as that can still be done. */
  release(): unknown
}

/** What was told already: nobody hears of it twice. */
const told = new WeakSet<Note>()

export function tell(left: readonly Leftover[]): void {
  for (const { note } of left) told.add(note)
}

/** Everything that is left of what `isAskedFor` chooses. */
export function leftovers(isAskedFor: (note: Note) => boolean): Leftover[] {
  const apps = openApps()
  const all = [...apps.flatMap((app) => leftOf(app)), ...leftOutside(heldIn(apps))]
  return all.filter(({ note }) => !told.has(note) && isAskedFor(note))
}

/** An app that holds nothing, and has no open scope, is no loss. */
function leftOf(app: ScopeNode): Leftover[] {
  const note = noteOf(app)
  const children = childrenOf(app)
  const below = children.flatMap((child) => leftScope(child))
  const holds = namesIn(app)
  if (note === undefined || holds.length === 0 || mayStay(app)) return below
  const what = `${named(app)}, which holds ${holds.join(', ')}`
  return [{ what, note, release: () => app.close() }, ...below]
}

function leftScope(scope: ScopeNode): Leftover[] {
  const note = noteOf(scope)
  if (note === undefined || mayStay(scope)) return []
  const holds = [...namesIn(scope), ...childrenOf(scope).map(named)]
  const what = `${named(scope)}${holds.length === 0 ? '' : `, which holds ${holds.join(', ')}`}`
  return [{ what, note, release: () => scope.close() }]
}

function named(scope: ScopeNode): string {
  if (scope.name === scope.kind) return title(scope)
  return `the ${scope.kind === 'app' ? 'app' : 'scope'} ${title(scope)}`
}

function namesIn(scope: ScopeNode): string[] {
  const names: string[] = []
  for (const { finalizer } of entriesOf(scope)) {
    const { source, value } = finalizer
    const definition = source instanceof Instance ? source.definition : undefined
    if (!mayStay(value) && !mayStay(definition)) names.push(`"${finalizer.name}"`)
  }
  return names
}

/** The values that open scopes will release. */
function heldIn(apps: readonly ScopeNode[]): Set<unknown> {
  const scopes = apps.flatMap((app) => [...downFrom(app, childrenOf)])
  const entries = scopes.flatMap((scope) => entriesOf(scope))
  return new Set(entries.map(({ finalizer }) => finalizer.value))
}

/** What was acquired for an app lives as long as that. */
function leftOutside(inScopes: ReadonlySet<unknown>): Leftover[] {
  const left: Leftover[] = []
  for (const ticket of allHeld()) {
    const { note, handle, resource, scope } = ticket
    const app = scope?.kind === 'app' ? scope : undefined
    const whose = app === undefined ? note : noteOf(app)
    if (note === undefined || whose === undefined) continue
    if (mayStay(handle) || (handle !== undefined && inScopes.has(handle))) continue
    const where = note.scope === undefined ? '' : ` of ${title(note.scope)}`
    left.push({ what: `"${resource}"${where}`, note: whose, release: () => dispose(handle) })
  }
  return left
}

function dispose(handle: object | undefined): unknown {
  // What is owned has a disposer of one kind or the other.
  const owned = (handle ?? {}) as Partial<AsyncDisposable & Disposable>
  return (owned[Symbol.asyncDispose] ?? owned[Symbol.dispose])?.call(owned)
}
