/** The wire that can misbehave, where the tests of PostgreSQL look for it. */
export { Wire, type Message } from '../../support/chaos-proxy.ts'
