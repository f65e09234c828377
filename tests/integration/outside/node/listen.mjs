// Listens to every status, as anyone may, and writes each record on a line of its own.
// usage: node listen.mjs <url> [user password]; it ends by itself when its standard input does.
import { connect } from '@nats-io/transport-node';

const [servers, user, pass] = process.argv.slice(2);
const client = await connect({ servers, user, pass, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
const statuses = client.subscribe('lastword.status.>');
await client.flush();
console.log('listening');
process.stdin.resume().on('end', () => client.close());
for await (const message of statuses) console.log(message.string());
