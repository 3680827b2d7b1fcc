/**
 * Errors as a record for logs: `JSON.stringify` of an error gives only its enumerable fields, which is to say nothing.
 * Stacks are left out, and of foreign errors everything but their names, messages, codes and causes.
 */
import { inspect } from 'node:util'
import { attempt } from './attempt.ts'
import { isAggregate, isError, show, takeApart } from './format.ts'
import { originOf } from './origin.ts'
import { isSuppressedError, type SuppressedError } from '../standard/suppressed-error.ts'

/** What our errors, and chains of them, look like in JSON. */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  readonly [field: string]: unknown
}

/** The `toJSON` of our errors and of the chains we make: what it began with first, and all fields of its own. */
export function recordOf(error: Error): ErrorRecord {
  return Object.assign({}, record(error, new Set()), error)
}

/** @param told errors that stand further up: told again, those that share causes would fill the log, or go round for ever */
function record(error: Error, told: Set<unknown>): ErrorRecord {
  const { name, message } = error
  if (told.has(error)) return { name, message, repeated: true }
  if (isSuppressedError(error)) return { name, message, ...takenApart(error, told) }
  told.add(error)
  const fields: Record<string, unknown> = {}
  if ('code' in error) fields['code'] = converted(error.code, told)
  if (error.cause !== undefined) fields['cause'] = converted(error.cause, told)
  if (isAggregate(error)) {
    fields['errors'] = error.errors.map((part) => converted(part, told))
  }
  return { name, message, ...fields }
}

/** What failed while releasing, oldest first, with the name of its resource where that is known. */
function takenApart(chain: SuppressedError, told: Set<unknown>): object {
  const { primary, failures } = takeApart(chain, told)
  return {
    primary: converted(primary, told),
    whileReleasing: failures.map((failure) => released(failure, told)),
  }
}

function released(failure: unknown, told: Set<unknown>): unknown {
  const release = originOf(failure)
  const said = converted(failure, told)
  return release === undefined ? said : { release, ...named(said) }
}

/** What no record was made of, because it was no error. */
function named(failure: unknown): object {
  return typeof failure === 'object' && failure !== null ? failure : { thrown: failure }
}

/** Only what JSON can say: anything else would make `JSON.stringify` throw, or tell too much. */
function converted(part: unknown, told: Set<unknown>): unknown {
  const said = attempt(() => ({ part: convert(part, told) }))
  return said === undefined ? show(part) : said.part
}

/** @throws where `part` refuses to be looked at */
function convert(part: unknown, told: Set<unknown>): unknown {
  if (isError(part)) return record(part, told)
  if (part === null || ['string', 'number', 'boolean'].includes(typeof part)) return part
  return inspect(part, { depth: 0, breakLength: Infinity, maxStringLength: 60 })
}
