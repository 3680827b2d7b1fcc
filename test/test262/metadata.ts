/** What the comment at the head of a test262 file says of how to run it, as far as the files that are run here need it. */

export interface Metadata {
  readonly includes: readonly string[]
  readonly flags: readonly string[]
}

const handled = new Set(['async', 'generated', 'noStrict', 'onlyStrict'])

/** @throws {Error} where a file wants what is not done here: better than a verdict that means nothing */
export function metadataOf(source: string): Metadata {
  const yaml = /\/\*---(?<yaml>.*?)---\*\//s.exec(source)?.groups?.['yaml']
  if (yaml === undefined) throw new Error('There is no metadata.')
  if (/^negative:/m.test(yaml)) throw new Error('A test that expects an error is not handled.')
  const flags = listOf(yaml, 'flags')
  const unhandled = flags.filter((flag) => !handled.has(flag))
  if (unhandled.length > 0) throw new Error(`Not handled: ${unhandled.join(', ')}.`)
  return { includes: listOf(yaml, 'includes'), flags }
}

/** `key: [a, b]`, or one `- a` a line. */
function listOf(yaml: string, key: string): string[] {
  const list = new RegExp(
    `^${key}:\\s*(?:\\[(?<inline>[^\\]]*)\\]|(?<lines>(?:\\n\\s*- .*)+))`,
    'm',
  )
  const { inline, lines } = list.exec(yaml)?.groups ?? {}
  return (inline?.split(',') ?? lines?.split(/\n\s*- /) ?? [])
    .map((word) => word.trim())
    .filter((word) => word !== '')
}
