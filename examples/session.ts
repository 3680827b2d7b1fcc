/** docs/guide/frameworks.md: what the examples of all frameworks ask their request for. */
// #region session
import { resource, type Resource } from 'unwind'

export const session: Resource<{ of: string }> = resource({
  name: 'session',
  acquire: ({ scope }) => ({ of: scope.name }),
  release: (_session, { status }) => console.log('released:', status),
})
// #endregion
