import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { runCli } from '../cli/index.ts';

export const MAIN = resolve(import.meta.dirname.replace(/\/dist\/test$/, '/test'), '../dist/bundle/main.js');

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const SETTINGS = ['DATA_DIR', 'NATS_URL', 'PORT', 'NODE_OPTIONS', 'MILLRACE_TOPOLOGY'];

/** The environment of the tests without settings of its own. */
export function environment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !SETTINGS.includes(name));
  return { ...Object.fromEntries(inherited), ...env };
}

/** A command in this process: what the binary would print and end with, without the time that its start takes. */
export async function millrace(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const printed = { out: '', err: '' };
  const code = await runCli(args, {
    env: environment(env),
    print: (line) => {
      printed.out += `${line}\n`;
    },
    note: (line) => {
      printed.err += `${line}\n`;
    },
    interruptible: () => new AbortController().signal,
  });
  if (code === 'running') throw new Error(`"${args.join(' ')}" runs on: it needs a process of its own`);
  return { code, ...printed };
}

/** The built binary, as `npx millrace` runs it. */
export function binary(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  return new Promise((done) => {
    execFile(process.execPath, [MAIN, ...args], { env: environment(env) }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      done({ code, out, err });
    });
  });
}
