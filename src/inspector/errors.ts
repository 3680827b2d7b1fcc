/** The one way in which the inspector refuses to be there. */
import { named, UnwindError } from '../core/errors/errors.ts'

/** `ERR_INSPECTOR_IN_PRODUCTION`: the live page was asked for where `NODE_ENV` is `production`. */
export class InspectorInProductionError extends UnwindError {
  override readonly code = 'ERR_INSPECTOR_IN_PRODUCTION'

  constructor() {
    super(
      'inspector() was called where NODE_ENV is production: its page shows what the program does to whoever can open it. Leave it out there, or pass { allowProduction: true }.',
    )
  }
}

named({ InspectorInProductionError })
