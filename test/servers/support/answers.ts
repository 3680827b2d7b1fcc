/** What a handler of `handle()` can return. */
import { Readable } from 'node:stream'

import { turn } from './scoped-site.ts'

export async function* pieces(...values: unknown[]): AsyncGenerator {
  for (const value of values) {
    await turn()
    await turn()
    yield value
  }
}

function webStream(...values: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const value of values) controller.enqueue(new TextEncoder().encode(value))
      controller.close()
    },
  })
}

export const plain = 'text/plain; charset=utf-8'

const bytes = 'application/octet-stream'

/** What a handler can return, with the type and the body that its client gets. */
export const answers: readonly [
  name: string,
  make: () => unknown,
  type: string | undefined,
  body: string,
][] = [
  ['a string', () => 'grüße', plain, 'grüße'],
  ['an empty string', () => '', plain, ''],
  ['a Buffer', () => Buffer.from('bytes'), bytes, 'bytes'],
  ['a typed array', () => new Uint16Array([0x4241]), bytes, 'AB'],
  ['an ArrayBuffer', () => new TextEncoder().encode('buffer').buffer, bytes, 'buffer'],
  ['an object', () => ({ total: 7 }), 'application/json', '{"total":7}'],
  ['an array', () => [1, 2], 'application/json', '[1,2]'],
  ['a number', () => 0, 'application/json', '0'],
  ['a boolean', () => false, 'application/json', 'false'],
  ['null', () => null, 'application/json', 'null'],
  ['an object with toJSON', () => new Date(0), 'application/json', '"1970-01-01T00:00:00.000Z"'],
  ['a Readable', () => Readable.from(['a', 'b']), bytes, 'ab'],
  ['a slow Readable', () => Readable.from(pieces('a', 'b')), bytes, 'ab'],
  ['a slow web stream', () => ReadableStream.from(pieces(Buffer.from('web'))), bytes, 'web'],
  ['a web stream', () => webStream('we', 'b'), bytes, 'web'],
  ['an async generator', () => pieces('a', Buffer.from('b'), 'c'), bytes, 'abc'],
  ['an async generator without pieces', () => pieces(), bytes, ''],
  [
    'a URLSearchParams',
    () => new URLSearchParams({ a: '1' }),
    'application/x-www-form-urlencoded;charset=UTF-8',
    'a=1',
  ],
  ['a Response of a string', () => new Response('text'), 'text/plain;charset=UTF-8', 'text'],
  ['a Response of JSON', () => Response.json({ a: 1 }), 'application/json', '{"a":1}'],
  ['a Response of a stream', () => new Response(webStream('x', 'y')), undefined, 'xy'],
  ['a Response without a body', () => new Response(null), undefined, ''],
]
