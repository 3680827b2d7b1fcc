/**
 * A client in a process of its own, so that its time is not the server's: `node bench/servers/load.ts PORT CONNECTIONS`.
 * Each connection sends its next request when the answer to the last one has come. It ends with its parent.
 */
import { connect } from 'node:net'

const [port = '0', connections = '16'] = process.argv.slice(2)
const head = Buffer.from('GET /orders/7?full=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n')

for (let one = 0; one < Number(connections); one += 1) {
  const socket = connect(Number(port), '127.0.0.1', () => socket.write(head))
  // An answer is so small that it comes in one piece.
  socket.on('data', () => socket.write(head))
  socket.on('error', () => process.exit(1))
  socket.on('close', () => process.exit(0))
}
process.on('disconnect', () => process.exit(0))
