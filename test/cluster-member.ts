import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectNats, JetStreamSource, openKeyValueStore } from '../connectors/index.ts';
import { MillraceError } from '../engine/index.ts';
import {
  ClusterNode,
  clusterBucket,
  type HostedTask,
  systemTime,
  type TaskHost,
  type TaskId,
  taskKey,
} from '../runtime/index.ts';

/**
 * A member of a cluster whose tasks are as small as can be: each passes the messages of its partition on, in order,
 * by a chain of its own. Usage: cluster-member MEMBER NATS_URL TOPOLOGY PARTITIONS STANDBYS
 */
const [member = '', url = '', topology = '', partitions = '', standbys = '1'] = process.argv.slice(2);
const WRONG_LAST_SEQUENCE = [10071, 10164];
const OUT = 'OUT';
const say = (line: string): void => void process.stdout.write(`${Date.now()} ${line}\n`);

const link = await connectNats({ url, name: member });
const js = jetstream(link.connection, { timeout: 2_000 });
const manager = await jetstreamManager(link.connection, { timeout: 2_000 });

/** A message of the chain: what the owner of an epoch has passed on, up to a sequence of the input. */
interface Block {
  readonly epoch: number;
  readonly to: number;
  readonly rows: readonly string[];
}

class ChainedTask implements TaskHost {
  readonly #subject: string;
  readonly #source: JetStreamSource;
  readonly #stop = new AbortController();
  /** What is not known to be stored. */
  #pending: { readonly sequence: number; readonly row: string }[] = [];
  #epoch: number | undefined;
  #last = 0;
  #isRead = false;

  constructor({ stage, partition }: TaskId) {
    this.#subject = `out.${stage}.${partition}`;
    this.#source = new JetStreamSource({ link, stream: 'IN', filter_subjects: [`p.${partition}.>`] });
  }

  async open(): Promise<void> {
    await this.#source.start(0);
    void this.#read();
    void this.#work();
  }

  async #read(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const { sequence, data } of await this.#source.take({ max: 500, wait_ms: 200 }))
        this.#pending.push({ sequence, row: Buffer.from(data).toString() });
      if (this.#source.state().caughtUp) this.#isRead = true;
    }
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#epoch === undefined) {
          await this.#look();
          await sleep(500);
        } else if (this.#pending.length > 0) await this.#send(this.#epoch);
        else await sleep(5);
      } catch (error) {
        say(`${this.#subject}: ${String(error)}`);
        await sleep(200);
      }
    }
  }

  /** The end of the chain; what it says is there need not be sent. */
  async #look(): Promise<Block | undefined> {
    const message = await manager.streams.getMessage(OUT, { last_by_subj: this.#subject });
    if (message === null) return undefined;
    const block = message.json<Block>();
    this.#last = message.seq;
    this.#pending = this.#pending.filter(({ sequence }) => sequence > block.to);
    return block;
  }

  async #send(epoch: number): Promise<void> {
    const rows = this.#pending.slice(0, 200);
    const block = { epoch, to: rows.at(-1)?.sequence ?? 0, rows: rows.map(({ row }) => row) };
    // Refused, it has read what the chain has of them: an append may be stored and its answer lost.
    if (await this.#append(block)) this.#pending = this.#pending.slice(rows.length);
  }

  /** False: the chain had another end, and has told it. */
  async #append(block: Block): Promise<boolean> {
    try {
      const expect = { lastSubjectSequence: this.#last };
      this.#last = (await js.publish(this.#subject, JSON.stringify(block), { expect })).seq;
      return true;
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || !WRONG_LAST_SEQUENCE.includes(error.code)) throw error;
      const there = await this.#look();
      if ((there?.epoch ?? 0) <= block.epoch) return false;
      this.#epoch = undefined;
      say(`${this.#subject}: refused, another owner has fenced it`);
      throw new MillraceError('fenced', 'another owner has fenced it');
    }
  }

  async activate(epoch: number): Promise<void> {
    let isFenced = false;
    while (!isFenced) {
      const there = await this.#look();
      if ((there?.epoch ?? 0) > epoch) throw new MillraceError('fenced', 'a higher epoch has it');
      isFenced = there?.epoch === epoch || (await this.#append({ epoch, to: there?.to ?? 0, rows: [] }));
    }
    this.#epoch = epoch;
  }

  async standby(): Promise<void> {
    this.#epoch = undefined;
  }

  settle(): void {}

  async release(): Promise<void> {
    while (this.#epoch !== undefined && this.#pending.length > 0) await sleep(5);
    this.#epoch = undefined;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#source.stop();
  }

  status(): HostedTask {
    const lag = this.#isRead ? 0 : null;
    return { state: this.#isRead ? 'ready' : 'behind', active_epoch: this.#epoch, lag_ms: lag };
  }
}

const node = new ClusterNode({
  store: await openKeyValueStore(link, clusterBucket(topology), { replicas: 3 }),
  ...{ member, incarnation: randomUUID(), host: 'test', version: '1', started_at: new Date().toISOString() },
  layout: [Number(partitions)],
  hosts: (task) => {
    say(`${taskKey(task)}: hosted`);
    return new ChainedTask(task);
  },
  time: systemTime,
  limits: { standbys: Number(standbys) },
  log: say,
});
process.once('SIGTERM', () => {
  void node.stop().then(async () => {
    await link.close();
    process.exit();
  });
});
node.ended.catch((error: unknown) => {
  say(`ended: ${String(error)}`);
  process.exit(1);
});
await node.start();
say('joined');
