/**
 * One object of each kind that every request makes and drops, kept for ever. The engine forgets the shape of objects when
 * it collects garbage and none of that shape is left, and with it all code that it has compiled for them: without these, a
 * service would be slow after each quiet moment (docs/decisions/shapes-that-stay.md).
 */
import { Context } from './acquisition.ts'
import { Completion, ReleaseExit } from './completion.ts'
import { outermostFrame } from './context.ts'
import { Finalizer } from './finalizers.ts'
import { Holdings } from './holdings.ts'
import { Instance } from './instance.ts'
import type { Definition } from './resource.ts'
import { ScopeNode } from './scope.ts'
import { defaults } from './settings.ts'
import { Unwinding } from './unwinding.ts'

let kept: readonly object[] | undefined

export function keepShapes(): void {
  kept ??= examples()
}

/** Nobody sees them: the scope has no parent, and is no app. */
function examples(): object[] {
  const scope = new ScopeNode(undefined, 'example', defaults, outermostFrame)
  // All that is looked at while nothing is acquired; a real one would be counted among those of the program.
  const definition = { name: 'example', lifetime: 'scope' } as Definition<unknown>
  const instance = new Instance(definition, scope, undefined)
  return [
    scope,
    new Finalizer(ignore, undefined, ignore, undefined),
    new Unwinding(scope),
    instance,
    new Context(instance),
    new Holdings(),
    new ReleaseExit(Completion.success),
  ]
}

function ignore(): void {}
