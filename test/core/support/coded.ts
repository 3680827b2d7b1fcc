/** An error of the package with a code, as drivers make some. */
import { UnwindError } from 'unwind'

export function coded(options: ErrorOptions): UnwindError {
  return Object.assign(new UnwindError('text', options), { code: 'ERR_X' })
}
