/** The pages of the documentation: their code blocks, and the regions of the examples these were cut from. */
import { list, read } from './repository.ts'

export interface Block {
  /** What the comment before it says: `examples/quick.ts#name`, or `output of examples/quick.ts`. */
  readonly origin: string | undefined
  readonly language: string
  readonly text: string
}

/** Pages whose code was cut from examples, all of it. */
export const pages: readonly string[] = [
  'README.md',
  'docs/from-fastapi.md',
  'docs/guide.md',
  ...list('docs/guide', '.md'),
  'docs/observability.md',
]

export const fenced: RegExp =
  /(?:<!-- (?<origin>[^\n]*?) -->\n+)?^```(?<language>\w*)\n(?<text>[\s\S]*?)^```$/gm

/** The code blocks of a page, each with the comment directly before it. */
export function blocksOf(page: string): Block[] {
  return [...read(page).matchAll(fenced)].map(({ groups }) => ({
    origin: groups?.['origin'],
    language: groups?.['language'] ?? '',
    text: groups?.['text'] ?? '',
  }))
}

/** The programs of a page, by their example: the blocks of one are its parts, in their order. */
export function programsOf(page: string): Map<string, string> {
  const programs = new Map<string, string>()
  for (const { language, origin = '', text } of blocksOf(page)) {
    if (language !== 'ts') continue
    const [example = ''] = origin.split('#')
    programs.set(example, `${programs.get(example) ?? ''}${text}\n`)
  }
  return programs
}

/** The examples whose output a page shows. */
export function shownOutputs(page: string): Map<string, string> {
  const outputs = blocksOf(page).filter(({ language }) => language === 'text')
  return new Map(outputs.map(({ origin = '', text }) => [origin.replace('output of ', ''), text]))
}

/** The lines between `// #region name` and `// #endregion`, as far to the left as they go. */
export function regionOf(origin: string): string {
  const [path = '', name = ''] = origin.split('#')
  const lines = read(path).split('\n')
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`)
  if (start === -1) throw new Error(`${path} has no region "${name}".`)
  const end = lines.findIndex((line, index) => index > start && line.trim() === '// #endregion')
  const region = lines.slice(start + 1, end)
  const indents = region.filter((line) => line !== '').map((line) => line.search(/\S/))
  return region.map((line) => line.slice(Math.min(...indents))).join('\n')
}
