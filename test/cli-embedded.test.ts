import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect, nkeyAuthenticator } from 'nats';
import { afterAll, expect, it } from 'vitest';
import { environment, MAIN, millrace } from './command.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

/** The package as it was built, as a user's module imports it. */
const PACKAGE = pathToFileURL(resolve(import.meta.dirname, '../dist/bundle/index.js')).href;
const TIMEOUT_MS = 120_000;
const PUBLISH = /publish nats pub -s (\S+) --nkey (\S+) (\S+) /;
const MODULE = `
import { jetstream, json, topology, toTable } from ${JSON.stringify(PACKAGE)};

export default topology('rides', (t) => {
  t.source(jetstream('RIDES', { subjects: ['rides.*.>'] }))
    .pipe(json('parse', { parse: (ride) => ride }), toTable('latest', { keyOf: ({ city }) => city }));
});
`;

const scratch = new Scratch();
let child: ChildProcess | undefined;
afterAll(async () => {
  child?.kill('SIGKILL');
  await scratch.clean();
});

it('says how a publisher gets in, and takes what comes so', { timeout: TIMEOUT_MS }, async () => {
  const dir = await scratch.dir('cli-embedded');
  const place = ['--topology', join(dir, 'rides.mjs'), '--data-dir', join(dir, 'data')];
  await writeFile(join(dir, 'rides.mjs'), MODULE);
  const started = spawn(process.execPath, [MAIN, 'start', ...place], { env: environment({}) });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [, url = '', file = '', subject = ''] = await until(
    () => PUBLISH.exec(output) ?? undefined,
    () => `how to publish; it said ${output}`,
    TIMEOUT_MS,
  );
  expect(subject).toBe('rides.x.x');
  // The bytes as they are: clients trim nothing.
  const authenticator = nkeyAuthenticator(readFileSync(file));
  const publisher = await connect({ servers: url, authenticator, inboxPrefix: '_INBOX_publisher' });
  await publisher.request(subject, '{"city":"rome"}', { timeout: TIMEOUT_MS });
  await publisher.close();
  const rows = await until(
    async () => {
      const { out } = await millrace(['state', 'get', 'latest/rows', ...place]);
      return out.includes('rome') ? out : undefined;
    },
    () => `the row; it said ${output}`,
    TIMEOUT_MS,
  );
  expect(rows.trim().split('\n')).toHaveLength(1);
  const exited = once(started, 'exit');
  started.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});
