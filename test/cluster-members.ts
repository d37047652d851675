import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectNats,
  EVENTS_STREAM,
  ensureStream,
  JetStreamSource,
  type NatsLink,
  openKeyValueStore,
  openManager,
} from '../connectors/index.ts';
import type { KeyValueStore } from '../engine/index.ts';
import { type ClusterView, clusterBucket, followCluster } from '../runtime/index.ts';
import { type ClusterServer, endProcesses, startNatsCluster } from './nats-cluster.ts';
import { until } from './process.ts';

const CHILD = resolve(
  import.meta.dirname.replace(/\/dist\/test$/, '/test'),
  '../dist/test/cluster-member.js',
);
const TOPOLOGY = 'chained';
export const PARTITIONS = 6;
const PATIENTLY_MS = 60_000;

interface Passed {
  readonly row: string;
  /** From the server's storing of the input to its storing of the output, ms. */
  readonly delay_ms: number;
}

/** Three servers and processes that pass messages on, and whoever publishes and counts. */
export class ClusterRig {
  readonly servers: readonly ClusterServer[];
  readonly link: NatsLink;
  readonly store: KeyValueStore;
  readonly view: ClusterView;
  readonly members = new Map<string, ChildProcess>();
  readonly lines: string[] = [];
  readonly #close: () => Promise<void>;
  #publishing: Promise<void> | undefined;
  #isPublishing = false;
  published = 0;

  private constructor(
    servers: readonly ClusterServer[],
    parts: { readonly link: NatsLink; readonly store: KeyValueStore; readonly view: ClusterView },
    close: () => Promise<void>,
  ) {
    this.servers = servers;
    this.link = parts.link;
    this.store = parts.store;
    this.view = parts.view;
    this.#close = close;
  }

  static async start(dir: string): Promise<ClusterRig> {
    const servers = await startNatsCluster(dir);
    const link = await connectNats({ url: servers.map(({ url }) => url).join(','), name: 'rig' });
    await until(
      async () => {
        const manager = await openManager(link);
        for (const [name, subjects] of [
          ['IN', ['p.>']],
          ['OUT', ['out.>']],
        ] as const)
          await ensureStream(manager, { ...EVENTS_STREAM, name, subjects, replicas: 3 });
        return true;
      },
      () => 'the cluster has a leader',
      PATIENTLY_MS,
    );
    const store = await openKeyValueStore(link, clusterBucket(TOPOLOGY), { replicas: 3 });
    const { view, close } = await followCluster(store, () => undefined);
    return new ClusterRig(servers, { link, store, view }, close);
  }

  /** Starts a member that speaks to the server of this number first. */
  join(member: string, server: number): void {
    const urls = [...this.servers.slice(server), ...this.servers.slice(0, server)].map(({ url }) => url);
    const args = [CHILD, member, urls.join(','), TOPOLOGY, String(PARTITIONS)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout?.on('data', (data: Buffer) => {
      for (const line of data.toString().trim().split('\n')) this.lines.push(`${member} ${line}`);
    });
    this.members.set(member, child);
  }

  owned(member: string): readonly number[] {
    const found = this.view.members().find(({ id }) => id === member);
    return (found?.owned ?? []).map(({ partition }) => partition);
  }

  /** Waits until each task has an owner among the members, and as many ready standbys. */
  async rest(members: readonly string[], standbys = 1): Promise<void> {
    await until(
      () => {
        const those = this.view.members().filter(({ id }) => members.includes(id));
        const owned = those.flatMap(({ owned }) => owned).length;
        const ready = those.flatMap(({ standby }) => standby.filter((task) => task.ready)).length;
        const least = Math.floor(PARTITIONS / members.length);
        const isSpread = those.every((one) => one.owned.length >= least);
        return owned === PARTITIONS && ready === standbys * PARTITIONS && isSpread ? true : undefined;
      },
      () => `the cluster is at rest: ${JSON.stringify(this.view.members())}\n${this.lines.join('\n')}`,
      PATIENTLY_MS,
    );
  }

  /** Publishes numbered messages to all partitions in turn until `stopPublishing`. */
  publish(per_second: number): void {
    this.#isPublishing = true;
    this.#publishing = this.#publish(1_000 / per_second);
  }

  async #publish(pause_ms: number): Promise<void> {
    const { publish } = this.link.connection;
    let due_ms = performance.now();
    while (this.#isPublishing) {
      const text = String(this.published);
      publish.call(this.link.connection, `p.${this.published % PARTITIONS}.x`, text);
      this.published++;
      due_ms += pause_ms;
      await sleep(Math.max(0, due_ms - performance.now()));
    }
  }

  async stopPublishing(): Promise<void> {
    this.#isPublishing = false;
    await this.#publishing;
    await this.link.connection.flush();
  }

  async #all(stream: string): Promise<readonly { subject: string; text: string; stored_ms: number }[]> {
    const source = new JetStreamSource({ link: this.link, stream });
    const found: { subject: string; text: string; stored_ms: number }[] = [];
    await source.start(0);
    try {
      for (;;) {
        for (const { subject, data, stored_ms = 0 } of await source.take({ max: 1_000, wait_ms: 300 }))
          found.push({ subject, text: Buffer.from(data).toString(), stored_ms });
        if (source.state().caughtUp) return found;
      }
    } finally {
      await source.stop();
    }
  }

  /** What came in and what went out, by partition, once everything has gone out; with how long each took. */
  async passed(): Promise<
    readonly { readonly sent: readonly string[]; readonly passed: readonly Passed[] }[]
  > {
    const input = await this.#all('IN');
    const stored = new Map(input.map(({ text, stored_ms }) => [text, stored_ms]));
    return await until(
      async () => {
        const output = await this.#all('OUT');
        const found = Array.from({ length: PARTITIONS }, (_, partition) => ({
          sent: input.filter(({ subject }) => subject === `p.${partition}.x`).map(({ text }) => text),
          passed: output
            .filter(({ subject }) => subject === `out.0.${partition}`)
            .flatMap(({ text, stored_ms }) =>
              (JSON.parse(text) as { readonly rows: readonly string[] }).rows.map((row) => ({
                ...{ row, delay_ms: stored_ms - (stored.get(row) ?? 0) },
              })),
            ),
        }));
        return found.every(({ sent, passed }) => passed.length >= sent.length) ? found : undefined;
      },
      () => `everything is passed on\n${this.lines.join('\n')}`,
      PATIENTLY_MS,
      500,
    );
  }

  async end(): Promise<void> {
    this.#isPublishing = false;
    await this.#publishing;
    await endProcesses(this.members.values());
    await this.#close();
    await this.link.close();
    await endProcesses(this.servers.map(({ process: child }) => child));
  }
}
