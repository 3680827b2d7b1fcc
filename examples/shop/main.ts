/**
 * `npm start`: the command line of the shop. It says on standard error why it cannot start, in one line, and everything
 * else on standard output.
 */
import { help, readArguments, StartError } from './arguments.ts'
import { openShop } from './open.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(words: string[]): Promise<number> {
  try {
    const wanted = readArguments(words, process.env['DATABASE_URL'])
    if (wanted !== undefined) return await openShop(wanted)
    console.log(help)
    return 0
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    console.error(`unwind shop: ${error.message}`)
    return 2
  }
}
