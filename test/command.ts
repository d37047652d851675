import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

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

/** The built binary, as `npx millrace` runs it. */
export function millrace(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  return new Promise((done) => {
    execFile(process.execPath, [MAIN, ...args], { env: environment(env) }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      done({ code, out, err });
    });
  });
}
