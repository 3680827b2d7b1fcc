/**
 * One object of each kind that every request makes and drops, kept for ever. The engine forgets the shape of objects when
 * it collects garbage and none of that shape is left, and with it all code that it has compiled for them: without these, a
 * service would be slow after each quiet moment (docs/decisions/shapes-that-stay.md).
 */
import { Context, SpecAcquisition } from './resources/acquisition.ts'
import { Cancellation } from './cancellation.ts'
import { Completion, ReleaseExit } from './completion.ts'
import { AwaitedContext, outermostFrame } from './context.ts'
import { ignore } from './dispose.ts'
import { Extras } from './extras.ts'
import { Finalizer } from './finalizers.ts'
import { GeneratorAcquisition } from './resources/generator.ts'
import { Holdings } from './resources/holdings.ts'
import { Instance } from './resources/instance.ts'
import type { Definition } from './resources/resource.ts'
import { ScopeNode } from './scope.ts'
import { defaults } from './settings.ts'
import { Tasks } from './tasks.ts'
import type { Exit } from './types.ts'
import { Unwinding } from './unwinding.ts'

let kept: readonly object[] | undefined

export function keepShapes(): void {
  // Some keep the context in which they were made, on Node.js 22: an app may be made in a request.
  kept ??= outermostFrame.runInAsyncScope(examples)
}

/** Nobody sees them: the scope has no parent, and is no open app. */
function examples(): object[] {
  const scope = new ScopeNode(undefined, 'example', defaults, outermostFrame)
  // All that is looked at while nothing is acquired; a real one would be counted among those of the program.
  const definition = { name: 'example', lifetime: 'scope' } as Definition<unknown>
  const instance = new Instance(definition, scope, undefined)
  const context = new Context(instance)
  return [
    scope,
    new Finalizer(ignore, undefined, ignore, undefined),
    new Unwinding(scope),
    instance,
    context,
    new SpecAcquisition({ acquire: ignore }, context),
    new GeneratorAcquisition('example', example, context),
    new Holdings(),
    new ReleaseExit(Completion.success),
    new Extras(),
    new Cancellation(),
    new Tasks(scope),
    new AwaitedContext(scope),
  ]
}

function* example(): Generator<undefined, void, Exit> {
  yield
}
