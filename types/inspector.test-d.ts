import type { IncomingMessage, ServerResponse } from 'node:http'
import type { App, LeakReport, Scope, ScopeSnapshot } from 'unwind'
import { inspector, snapshot, type Inspector } from 'unwind/inspector'
import { expectAssignable, expectError, expectType } from 'tsd'

declare const app: App
declare const scope: Scope
declare const request: IncomingMessage
declare const response: ServerResponse

const look = inspector(app, { path: '/held', allowProduction: false, hosts: ['dev.example'] })
expectType<Inspector>(look)
expectAssignable<AsyncDisposable>(look)
const answered = look.handler(request, response)
expectType<boolean>(answered)
const url = look.url('http://127.0.0.1:3000')
expectType<string>(url)
const plain = inspector(app)
expectType<Inspector>(plain)
// The tree is looked at from its root.
expectError(inspector(scope))
// The base has no default: nobody knows under which name a server is reached.
expectError(look.url())
// Host names are a list.
expectError(inspector(app, { hosts: 'dev.example' }))

const seen = snapshot(app)
expectType<number>(seen.at)
expectType<ScopeSnapshot>(seen.scopes)
expectType<readonly LeakReport[]>(seen.leaks)
