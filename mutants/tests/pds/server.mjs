// Start Bluesky's PDS and a PLC directory on loopback with one account, and say where, as one line of JSON.
// Ends when its standard input closes, so that it never outlives the test that started it.
import { TestNetworkNoAppView } from '@atproto/dev-env'

const network = await TestNetworkNoAppView.create({ dbPostgresSchema: 'socialflow_test' })
const handle = 'tester.test'
const password = 'app-password-for-the-test'
const agent = network.pds.getClient()
await agent.com.atproto.server.createAccount({ email: 'tester@example.test', handle, password })

process.stdout.write(JSON.stringify({ url: network.pds.url, handle, password }) + '\n')
process.stdin.resume()
process.stdin.on('end', async () => {
  await network.close()
  process.exit(0)
})
