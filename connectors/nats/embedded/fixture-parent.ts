import { startNatsServer } from './server.ts';

/** The process that server.test.ts kills: starts a server, prints its pid and port, then waits for its end. */
const [binary = '', storeDir = ''] = process.argv.slice(2);
const server = await startNatsServer({ binary, storeDir });
console.log(JSON.stringify({ pid: server.pid, port: server.port }));
await server.exited;
