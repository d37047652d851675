import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, Millrace, type StartOptions, until } from './process.ts';

/** Scratch folders and processes of one test file; `clean` ends and removes them all. */
export class Scratch {
  readonly #dirs: string[] = [];
  readonly #processes: Millrace[] = [];

  async dir(name: string): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), `millrace-test-${name}-`));
    this.#dirs.push(path);
    return path;
  }

  /** Launches without waiting for anything. */
  launch(options: StartOptions): Millrace {
    const launched = new Millrace(options);
    this.#processes.push(launched);
    return launched;
  }

  async start(options: StartOptions): Promise<Millrace> {
    const launched = this.launch(options);
    await launched.listening;
    return launched;
  }

  async clean(): Promise<void> {
    const running = this.#processes.filter(({ isRunning }) => isRunning);
    await Promise.all(running.map((one) => one.kill()));
    // The embedded server ends by itself once its parent is gone, and writes until then.
    for (const { natsPid } of this.#processes) {
      if (natsPid === undefined) continue;
      await until(
        () => (isAlive(natsPid) ? undefined : true),
        () => `server ${natsPid} ends`,
        60_000,
      );
    }
    await Promise.all(this.#dirs.map((path) => rm(path, { recursive: true, force: true, maxRetries: 5 })));
  }
}
