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
  /** A server closes it when its handler has ended, so that it is never only left open. Not inherited. */
  readonly serving: boolean
  /** See `insideOf`; made for the first one. */
  inside: Settings | undefined
}

export const defaults: Settings = {
  kind: 'app',
  disposeTimeout: 5_000,
  abandonAfter: undefined,
  onError: undefined,
  serving: false,
  inside: undefined,
}

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

/** All of one shape, because every scope reads them; and the same object where nothing differs. */
export function inherit(settings: Settings, options: Partial<Settings> = {}): Settings {
  const {
    kind = settings.kind,
    disposeTimeout = settings.disposeTimeout,
    abandonAfter = settings.abandonAfter,
    onError = settings.onError,
    serving = settings.serving,
  } = options
  const isSame =
    kind === settings.kind &&
    disposeTimeout === settings.disposeTimeout &&
    abandonAfter === settings.abandonAfter &&
    onError === settings.onError &&
    serving === settings.serving
  if (isSame) return settings
  return { kind, disposeTimeout, abandonAfter, onError, serving, inside: undefined }
}

/** Those of a scope that is opened in one with `settings`, where nothing else is said. */
export function insideOf(settings: Settings): Settings {
  return (settings.inside ??= inherit(settings, {
    kind: settings.kind === 'app' ? 'request' : 'scope',
    serving: false,
  }))
}
