import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import {
  connectNats,
  JetStreamPublisher,
  JetStreamSource,
  type NatsLink,
  openKeyValueStore,
} from '../connectors/index.ts';
import { jointDigest, MemoryDisk, openLmdbReader, producerName, systemClock, Task } from '../engine/index.ts';
import { customers, type Sale, type Spent } from '../examples/customers/topology.ts';
import { type ClusterView, clusterBucket, currentState, editPlan, followCluster } from '../runtime/index.ts';
import { environment, MAIN } from './command.ts';
import { itLong } from './it-long.ts';
import { startTestNats } from './nats.ts';
import { endProcesses, startNatsCluster } from './nats-cluster.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const TOPOLOGY = resolve(MAIN, '../../examples/customers/topology.js#customers');
const PARTITIONS = 4;
const STAGES = customers.stages();
const TASKS = PARTITIONS * STAGES.length;
const PATIENTLY_MS = 60_000;
const NAMES = ['a', 'b', 'c'];

/** Servers, three processes that share the example with a cut, and whoever publishes and counts. */
class Shared {
  readonly members = new Map<string, ChildProcess>();
  output = '';
  readonly #closes: (() => Promise<unknown>)[] = [];
  readonly #scratch = new Scratch();
  readonly #sales: Sale[] = [];
  #dir = '';
  #urls: readonly string[] = [];
  link!: NatsLink;
  view!: ClusterView;

  async start(servers: 1 | 3): Promise<void> {
    this.#closes.push(() => this.#scratch.clean());
    this.#dir = await this.#scratch.dir('cluster-run');
    if (servers === 1) {
      const nats = await startTestNats();
      this.#closes.push(() => nats.stop());
      this.#urls = [nats.url];
    } else {
      const cluster = await startNatsCluster(this.#dir);
      this.#closes.push(() => endProcesses(cluster.map(({ process: child }) => child)));
      this.#urls = cluster.map(({ url }) => url);
    }
    this.link = await connectNats({ url: this.#urls.join(','), name: 'test' });
    this.#closes.push(
      () => this.link.close(),
      () => endProcesses(this.members.values()),
    );
    for (const [at, name] of NAMES.entries()) this.join(name, at);
    const store = await until(
      () =>
        openKeyValueStore(this.link, clusterBucket('customers'), { replicas: servers }).catch(
          () => undefined,
        ),
      () => `the bucket can be made: ${this.output}`,
      PATIENTLY_MS,
    );
    const { view, close } = await followCluster(store, () => undefined);
    this.#closes.push(close);
    this.view = view;
    this.edit = (edit) => editPlan(store, edit);
  }

  edit: (edit: Parameters<typeof editPlan>[1]) => Promise<unknown> = () =>
    Promise.reject(new Error('not started'));

  folder(member: string): string {
    return join(this.#dir, `data-${member}`);
  }

  join(member: string, server = 0): void {
    const urls = [...this.#urls.slice(server), ...this.#urls.slice(0, server)].join(',');
    const args = [
      MAIN,
      'start',
      '--topology',
      TOPOLOGY,
      '--data-dir',
      this.folder(member),
      '--nats-url',
      urls,
    ];
    args.push('--member', member, '--stream', 'SPENT=spent.>');
    const child = spawn(process.execPath, args, { env: environment({}), stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text.replaceAll(/^/gm, `${member} `);
      });
    }
    this.members.set(member, child);
  }

  /** Waits until each task has an owner among the members, and as many ready standbys. */
  async rest(members: readonly string[], standbys: number): Promise<void> {
    await until(
      () => {
        const those = this.view.members().filter(({ id }) => members.includes(id));
        const owned = those.flatMap((one) => one.owned).length;
        const ready = those.flatMap((one) => one.standby.filter((task) => task.ready)).length;
        return owned === TASKS && ready === standbys * TASKS ? true : undefined;
      },
      () => `the cluster is at rest: ${JSON.stringify(this.view.members())}\n${this.output}`,
      PATIENTLY_MS,
    );
  }

  /** Publishes sales, one after the other, each twice with an id of its own. */
  async sell(count: number): Promise<void> {
    const publisher = new JetStreamPublisher(this.link);
    for (let left = count; left > 0; left--) {
      const number = this.#sales.length;
      const order = `o${number % 23}`;
      const sale: Sale = {
        id: `s${number}`,
        order,
        customer: `c${(number % 23) % 7}`,
        cents: number,
        at: Date.now(),
      };
      this.#sales.push(sale);
      const payload = Buffer.from(JSON.stringify(sale));
      for (const twin of [0, 1])
        await publisher.publish({
          id: `${sale.id}-${twin}`,
          subject: `sales.${order}.sold`,
          headers: {},
          payload,
        });
    }
  }

  async #spent(): Promise<readonly Spent[]> {
    const source = new JetStreamSource({ link: this.link, stream: 'SPENT' });
    await source.start(0);
    const found: Spent[] = [];
    try {
      for (;;) {
        for (const { data } of await source.take({ max: 1_000, wait_ms: 200 }))
          found.push(JSON.parse(Buffer.from(data).toString()) as Spent);
        if (source.state().caughtUp) return found;
      }
    } finally {
      await source.stop();
    }
  }

  /** Every sale has come out once, in the order of its order, and sums of a customer follow one another. */
  async requireOutputs(): Promise<void> {
    const spent = await until(
      async () => {
        const found = await this.#spent();
        return found.length >= this.#sales.length ? found : undefined;
      },
      () => `all sales come out\n${this.output}`,
      PATIENTLY_MS,
    );
    expect(spent.map(({ id }) => id).sort()).toEqual(this.#sales.map(({ id }) => id).sort());
    const byOrder = (ids: readonly { readonly order: string; readonly id: string }[]): readonly string[] =>
      ids.map(({ order, id }) => `${order} ${id}`).toSorted((a, b) => orderOf(a).localeCompare(orderOf(b)));
    expect(byOrder(spent)).toEqual(byOrder(this.#sales));
    const sums = new Map<string, number>();
    const centsOf = new Map(this.#sales.map(({ id, cents }) => [id, cents]));
    for (const { customer, id, cents } of spent) {
      const sum = (sums.get(customer) ?? 0) + (centsOf.get(id) ?? Number.NaN);
      expect([customer, id, cents]).toEqual([customer, id, sum]);
      sums.set(customer, sum);
    }
    const reply = await this.link.connection.request(
      'millrace.customers.q',
      JSON.stringify({ table: 'customers', query: { kind: 'range', limit: 100 } }),
      { timeout: 10_000 },
    );
    const answer = reply.json<{ rows: { key: string; value: number }[]; missing: unknown[] }>();
    expect(answer.missing).toEqual([]);
    expect(new Map(answer.rows.map(({ key, value }) => [key, value]))).toEqual(sums);
  }

  /** The states of a member that has all tasks, and has ended, are those of one task which reads all. */
  async requireStates(member: string): Promise<void> {
    const disk = new MemoryDisk();
    const source = new JetStreamSource({ link: this.link, stream: 'SALES' });
    const task = new Task({
      ...{ topology: customers, source, clock: systemClock, ordered: true, store: disk.open() },
      publisher: { publish: () => Promise.resolve() },
    });
    await task.open();
    do await task.step(200);
    while (!source.state().caughtUp);
    task.commit();
    task.close();
    await source.stop();
    const { partitionPath } = currentState(this.folder(member), 'customers');
    const parts = STAGES.flatMap(({ index, topology }) =>
      Array.from({ length: PARTITIONS }, (_, partition) => ({
        topology,
        reader: openLmdbReader(partitionPath(producerName(index, partition))),
      })),
    );
    const { digest, tables } = jointDigest(parts);
    for (const { reader } of parts) await reader.close();
    expect(tables).toEqual(jointDigest([{ topology: customers, reader: disk.reader() }]).tables);
    expect(digest).not.toBe('');
  }

  async stop(member: string): Promise<void> {
    const child = this.members.get(member);
    const exited = new Promise((done) => child?.once('exit', done));
    child?.kill('SIGTERM');
    expect(await exited).toBe(0);
  }

  async end(): Promise<void> {
    for (const close of this.#closes.splice(0).toReversed()) await close();
  }
}

const orderOf = (text: string): string => text.slice(0, text.indexOf(' '));

let shared = new Shared();
afterEach(async () => {
  await shared.end();
  shared = new Shared();
});

it('three processes share a topology with a cut: one is killed, one drained, and everything comes out once and in order', async () => {
  await shared.start(1);
  await shared.rest(NAMES, 1);
  await shared.sell(40);
  shared.members.get('a')?.kill('SIGKILL');
  await shared.sell(40);
  await shared.rest(['b', 'c'], 1);
  await shared.edit({ kind: 'drain', member: 'b' });
  await shared.sell(40);
  await shared.rest(['c'], 0);
  await shared.requireOutputs();
  await shared.stop('b');
  await shared.stop('c');
  await shared.requireStates('c');
}, 120_000);

itLong(
  'the same on three servers, with members that come back and stand still',
  async () => {
    await shared.start(3);
    await shared.rest(NAMES, 1);
    for (const name of NAMES) {
      await shared.sell(300);
      shared.members.get(name)?.kill('SIGKILL');
      await shared.sell(300);
      const others = NAMES.filter((other) => other !== name);
      await shared.rest(others, 1);
      shared.join(name, NAMES.indexOf(name));
      await shared.sell(300);
      await shared.rest(NAMES, 1);
    }
    for (const name of NAMES) {
      shared.members.get(name)?.kill('SIGSTOP');
      for (let seconds = 0; seconds < 10; seconds++) {
        await shared.sell(30);
        await sleep(1_000);
      }
      shared.members.get(name)?.kill('SIGCONT');
      await shared.rest(NAMES, 1);
    }
    for (const name of ['a', 'b']) {
      await shared.edit({ kind: 'drain', member: name });
      await shared.sell(300);
    }
    await shared.rest(['c'], 0);
    await shared.requireOutputs();
    await shared.stop('a');
    await shared.stop('b');
    await shared.stop('c');
    await shared.requireStates('c');
  },
  600_000,
);
