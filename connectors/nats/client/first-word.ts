import { connect } from 'node:net';

const WAIT_MS = 1_000;
/** Of what a server may say before it has an answer: a line about itself comes first. */
const MAX_CHARS = 65_536;
const REFUSAL = /^-ERR '([^']*)'/m;

/**
 * What a server (`host:port`) refuses whoever connects with, e.g. `maximum connections exceeded`: the client closes on
 * it and reports a time-out. Undefined where it waits for what the client says, or is not there.
 */
export function refusedWith(server: string): Promise<string | undefined> {
  const { hostname, port } = new URL(`nats://${server}`);
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) });
    socket.setEncoding('utf8').setTimeout(WAIT_MS, () => socket.destroy());
    socket.on('data', (text: string) => {
      said += text;
      if (REFUSAL.test(said) || said.length > MAX_CHARS) socket.destroy();
    });
    // That there is no connection is what is being looked into.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(REFUSAL.exec(said)?.[1]));
  });
}
