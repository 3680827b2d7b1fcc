/**
 * Answers to which the protocol allows no body.
 */

/** Mocks of responses do not say what they answer. */
interface Response {
  readonly req?: { readonly method?: string | undefined }
  readonly statusCode: number
  end(body?: string | Uint8Array): unknown
}

export function isEmptyStatus(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/** Some servers fail where a body is given to an answer that has none (`rejectNonStandardBodyWrites`). */
export function endWith(response: Response, body: string | Uint8Array): void {
  if (response.req?.method === 'HEAD' || isEmptyStatus(response.statusCode)) response.end()
  else response.end(body)
}
