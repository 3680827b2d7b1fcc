/** Something to hold, and who holds it. */
import type { App, Input, Resource, Scope } from 'unwind'

export interface Client {
  readonly url: string
  query(text: string): Promise<number>
  end(): Promise<void>
}
export declare const client: Client
export declare function connect(options: { signal: AbortSignal }): Promise<Client>
export declare const signal: AbortSignal
export declare const pool: Resource<Client>
export declare const tenant: Input<string>
export declare const scope: Scope
export declare const app: App
