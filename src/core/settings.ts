/**
 * What a scope inherits. Scopes that set nothing share their parent's object.
 */
import { abortSignal, callable, iterable, milliseconds, oneOf, text, type Rule } from './options.ts'
import type { ScopeKind, ScopeOptions } from './types.ts'

export interface Settings {
  readonly kind: ScopeKind
  /** Milliseconds. */
  readonly disposeTimeout: number
  /** Milliseconds; `undefined`: for ever. */
  readonly abandonAfter: number | undefined
  readonly onError: ScopeOptions['onError']
  /** A server closes it when its handler has ended, so that it is never only left open. */
  readonly serving: boolean
  /** See `insideOf`; made for the first one. */
  inside: Settings | undefined
}

type Options = Pick<ScopeOptions, Exclude<keyof Settings, 'serving' | 'inside'>>

export const defaults: Settings = make({
  kind: 'app',
  disposeTimeout: 5_000,
  abandonAfter: undefined,
  onError: undefined,
  serving: false,
})

export const appRules: Readonly<Record<string, Rule>> = {
  name: text,
  disposeTimeout: milliseconds,
  abandonAfter: milliseconds,
  onError: callable,
  overrides: iterable,
}

export const scopeRules: Readonly<Record<string, Rule>> = {
  ...appRules,
  kind: oneOf('request', 'scope'),
  signal: abortSignal,
  timeout: milliseconds,
}

export function inherit(settings: Settings, options: Options | undefined): Settings {
  if (options === undefined) return settings
  const { kind, disposeTimeout, abandonAfter, onError } = options
  if (disposeTimeout === undefined && abandonAfter === undefined && onError === undefined) {
    return kind === undefined ? settings : ofKind(settings, kind)
  }
  return make({
    kind: kind ?? settings.kind,
    disposeTimeout: disposeTimeout ?? settings.disposeTimeout,
    abandonAfter: abandonAfter ?? settings.abandonAfter,
    onError: onError ?? settings.onError,
    serving: settings.serving,
  })
}

/** Those of a scope that is opened in one with `settings`, where nothing else is said. */
export function insideOf(settings: Settings): Settings {
  return (settings.inside ??= ofKind(settings, settings.kind === 'app' ? 'request' : 'scope'))
}

export function servingWith(settings: Settings): Settings {
  return make({ ...settings, serving: true })
}

function ofKind(settings: Settings, kind: ScopeKind): Settings {
  return kind === settings.kind ? settings : make({ ...settings, kind })
}

/** All of one shape, because every scope reads them. */
function make(given: Omit<Settings, 'inside'>): Settings {
  const { kind, disposeTimeout, abandonAfter, onError, serving } = given
  return { kind, disposeTimeout, abandonAfter, onError, serving, inside: undefined }
}
