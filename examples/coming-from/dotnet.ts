/** docs/from-fastapi.md: scopes of services, as .NET has them. */
// #region dotnet
import { createApp, resource } from 'unwind'

class Database {
  async [Symbol.asyncDispose](): Promise<void> {
    console.log('database: disposed')
  }
}
const database = resource({ name: 'database', acquire: () => new Database() }) // AddScoped<Database>()
const clock = resource({ name: 'clock', lifetime: 'app', acquire: () => Date }) // AddSingleton
const report = resource({
  name: 'report',
  lifetime: 'app',
  acquire: ({ get }) => get(database), // a captive dependency
})

await using app = createApp() // BuildServiceProvider()
await app.warmUp(clock)
{
  await using scope = app.child({ kind: 'request' }) // CreateAsyncScope()
  await scope.get(database) // GetRequiredService<Database>()
}
await app.warmUp(report).catch((error: unknown) => console.log((error as { code: string }).code))
// #endregion
