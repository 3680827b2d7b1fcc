/** docs/guide/frameworks.md: Nest, on the listener of its platform. */
/* oxlint-disable typescript/no-extraneous-class, typescript/unbound-method -- a module is a class, a decorator takes a method */
// #region controller
import { createServer, type RequestListener } from 'node:http'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { createApp, inject } from 'unwind'
import { listen, scoped } from 'unwind/http'
import { session } from '../session.ts'

class Orders {
  async find(): Promise<{ of: string }> {
    return await inject(session)
  }
}
const find = { value: Orders.prototype.find }
Get('orders')(Orders.prototype, 'find', find) // @Get('orders')
Controller()(Orders) // @Controller()

class Shop {}
Module({ controllers: [Orders] })(Shop) // @Module({ controllers: [Orders] })
// #endregion

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
