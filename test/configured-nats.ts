import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { resolveNatsServer } from '../connectors/index.ts';

const START_TIMEOUT_MS = 60_000;

/** A folder that goes away with the test. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-nats-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A real server for one test, set up as the text says; its URL. `jetstream` is what stands in its block. */
export async function configured(text: string, jetstream: string | undefined = ''): Promise<string> {
  const path = await folder();
  const { path: binary } = await resolveNatsServer({ progress: () => undefined });
  const store = jetstream === undefined ? '' : `jetstream { store_dir: "${path}/js"\n ${jetstream} }`;
  const common = `host: 127.0.0.1\nport: -1\nports_file_dir: "${path}"\nlog_file: "${path}/log"\n`;
  await writeFile(join(path, 'conf'), `${common}${store}\n${text}\n`);
  const child = spawn(binary, ['-c', join(path, 'conf')], { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const deadline_ms = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline_ms && child.exitCode === null) {
    const name = (await readdir(path)).find((entry) => entry.endsWith('.ports'));
    const url =
      name === undefined
        ? undefined
        : /"(?:nats|tls):\/\/([^"]*:\d+)"/.exec(await readFile(join(path, name), 'utf8'));
    if (url?.[1] !== undefined) return `nats://${url[1]}`;
    await sleep(20);
  }
  throw new Error(`The server does not start: ${await readFile(join(path, 'log'), 'utf8').catch(String)}`);
}
