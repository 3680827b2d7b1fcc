/** docs/guide/frameworks.md: Nest, on the listener of its platform. */
// oxlint-disable-next-line import/no-unassigned-import -- what Nest keeps its decorators with
import 'reflect-metadata'
import { Controller, Get, Module } from '@nestjs/common'
// #region controller
import { createServer, type RequestListener } from 'node:http'
import { NestFactory } from '@nestjs/core'
import { createApp, inject } from 'unwind'
import { listen, scoped } from 'unwind/http'
import { session } from '../session.ts'

class Orders {
  async find(): Promise<{ of: string }> {
    return await inject(session)
  }
}
// #endregion
// What decorators do, in the words of those who cannot write them: Node.js runs no decorators yet.
Controller()(Orders)
const find = Object.getOwnPropertyDescriptor(Orders.prototype, 'find')
if (find !== undefined) Get('orders')(Orders.prototype, 'find', find)
// oxlint-disable-next-line typescript/no-extraneous-class -- a module of Nest is one
class Shop {}
Module({ controllers: [Orders] })(Shop)

// #region bootstrap
const app = createApp()
const nest = await NestFactory.create(Shop, { logger: false })
await nest.init()
app.defer(() => nest.close())
const platform: RequestListener = nest.getHttpAdapter().getInstance() // an Express app
const server = createServer(scoped(app, platform))
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
// #endregion
console.log(await (await fetch(`${listening.url}/orders`)).text())
await app.shutdown()
