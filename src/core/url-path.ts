/**
 * What a request may be called by, where everybody may read it.
 */

/** The path of a request. Its query is left out, which may hold what is nobody's business. */
export function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}
