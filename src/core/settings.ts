/**
 * What a scope inherits. Scopes that set nothing share their parent's object.
 */
import { abortSignal, callable, iterable, milliseconds, oneOf, text, type Rule } from './options.ts'
import type { ScopeOptions } from './types.ts'

export interface Settings {
  /** Milliseconds. */
  readonly disposeTimeout: number
  /** Milliseconds; `undefined`: for ever. */
  readonly abandonAfter: number | undefined
  readonly onError: ScopeOptions['onError']
  /** A server closes it when its handler has ended, so that it is never only left open. */
  readonly serving: boolean
}

export const defaults: Settings = {
  disposeTimeout: 5_000,
  abandonAfter: undefined,
  onError: undefined,
  serving: false,
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

export function inherit(
  settings: Settings,
  options: Pick<ScopeOptions, Exclude<keyof Settings, 'serving'>> | undefined,
): Settings {
  if (options === undefined) return settings
  const { disposeTimeout, abandonAfter, onError } = options
  if (disposeTimeout === undefined && abandonAfter === undefined && onError === undefined) {
    return settings
  }
  return {
    disposeTimeout: disposeTimeout ?? settings.disposeTimeout,
    abandonAfter: abandonAfter ?? settings.abandonAfter,
    onError: onError ?? settings.onError,
    serving: settings.serving,
  }
}

export function servingWith(settings: Settings): Settings {
  return { ...settings, serving: true }
}
