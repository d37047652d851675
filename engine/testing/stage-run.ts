import { setImmediate } from 'node:timers/promises';
import { invariant, ManualClock, partitionOf, SeededRandom } from '../base/index.ts';
import {
  type ChannelLimits,
  type ChannelRow,
  decodeBlock,
  encodeBlock,
  producerName,
  producerOf,
  type ReadChannel,
  receiveBlock,
} from '../channels/index.ts';
import type { OutMessage } from '../edges/index.ts';
import type { Stage, Topology } from '../graph/index.ts';
import type { StatePart } from '../task/index.ts';
import { SimulatedChains } from './simulated-chains.ts';
import { SimulatedReceiver } from './simulated-edges.ts';
import type { LogMessage, SimulatedLog } from './simulated-log.ts';
import { StageOwner } from './stage-owner.ts';

/** A message of the stream of a partitioned topology. */
export interface StageMessage {
  readonly data: Uint8Array;
  /** What decides its partition. */
  readonly key: string;
  /** The last token of its subject. Default: `event`. */
  readonly type?: string;
}

/** What is switched off, or done wrongly, to see that it is noticed. */
export type StageControl = 'unchecked' | 'layout_changed' | 'chain_purged';

export interface StageRunOptions {
  /** Called once for each life of a task. */
  readonly topology: () => Topology;
  readonly messages: readonly StageMessage[];
  readonly seed: number;
  readonly start_ms: number;
  readonly control?: StageControl | undefined;
}

/** What happened in simulated runs of stages, added up. */
export interface StageRunCounts {
  readonly crashes: number;
  /** Disks that were lost, and with them what was committed since the copy that was gone on from. */
  readonly restores: number;
  /** Owners that began to send. */
  readonly activations: number;
  /** Owners that found that another had taken over. */
  readonly fenced: number;
  /** Blocks that were refused, and such as found their channel full. */
  readonly refused: number;
  readonly full: number;
  /** Blocks that were stored. */
  readonly blocks: number;
}

export interface StageRunResult {
  readonly counts: StageRunCounts;
  /** The states of all tasks, of one owner each. */
  readonly states: readonly StatePart[];
  /** Of tasks whose owners do not agree, a sentence each. */
  readonly problems: readonly string[];
  /** What targets received through each channel of each cut, in order, by `<cut> <target> <producer>`. */
  readonly channels: ReadonlyMap<string, readonly ChannelRow[]>;
  readonly published: ReadonlyMap<string, OutMessage>;
}

/** Behind the last record: every source is idle by then, ms. */
const SILENCE_MS = 7_200_000;
const GAPS_MS = [0, 1, 1, 40, 900];
const MIN_STEPS = 400;

/** The log of a topology's source: messages by partition, and at its end a tick for each. */
export function logOf(
  messages: readonly StageMessage[],
  partitions: number,
  start_ms: number,
  random: SeededRandom,
): readonly LogMessage[] {
  let stored_ms = start_ms;
  let sequence = random.pick([0, 0, 1, 1_000_000_006]);
  const log = messages.map(({ data, key, type = 'event' }) => {
    stored_ms += random.pick(GAPS_MS);
    return { sequence: ++sequence, subject: `p.${partitionOf(key, partitions)}.${type}`, data, stored_ms };
  });
  const ticks = Array.from({ length: partitions }, (_, partition) => ({
    ...{ sequence: ++sequence, subject: `p.${partition}.tick`, data: new Uint8Array(0) },
    stored_ms: stored_ms + SILENCE_MS,
  }));
  return [...log, ...ticks];
}

export const partitionOfSubject = (subject: string): number => Number(subject.split('.')[1]);

/** One run of all stages, disturbed: what happens follows from the seed. */
export class StageRun {
  readonly #options: StageRunOptions;
  readonly #random: SeededRandom;
  readonly #clock: ManualClock;
  readonly #partitions: number;
  readonly #stages: readonly Stage[];
  readonly #input: readonly LogMessage[];
  readonly #chains = new Map<string, SimulatedChains>();
  readonly #receiver = new SimulatedReceiver();
  readonly #owners: StageOwner[] = [];
  readonly #limits: Partial<ChannelLimits>;
  /** Channels are bounded, and what all owners have is removed. */
  readonly #isBounded: boolean;
  #published: number;
  /** By task: the last word of an owner, up to where the outside has its outputs. */
  readonly #said = new Map<string, number>();
  #layout = 'partition-1';
  #epoch = 0;
  #activations = 0;

  constructor(options: StageRunOptions) {
    const random = new SeededRandom(options.seed);
    this.#options = options;
    this.#random = random;
    this.#clock = new ManualClock(options.start_ms);
    const topology = options.topology();
    const { partitions } = topology;
    invariant(partitions !== undefined, 'a simulation of stages is of a partitioned topology');
    this.#partitions = partitions;
    this.#stages = topology.stages();
    this.#input = logOf(options.messages, partitions, options.start_ms, new SeededRandom(0));
    this.#published = random.int(0, 20);
    this.#isBounded = options.control === undefined && random.chance(0.4);
    this.#limits = {
      ...{
        retry_ms: 0,
        end_missing_ms: 3_000,
        quiet_block_ms: random.pick([0, 200, 1_000]),
        standby_look_ms: random.pick([0, 300]),
      },
      ...{ pending_max_blocks: random.pick([3, 40]), block_max_bytes: random.pick([90, 400, 100_000]) },
    };
    for (const { writes } of this.#stages) for (const cut of writes) this.#chains.set(cut, this.#newChains());
    for (const stage of this.#stages) {
      for (let partition = 0; partition < partitions; partition++) {
        for (const name of ['a', 'b']) this.#owners.push(this.#newOwner(stage, partition, name));
      }
    }
  }

  #newChains(): SimulatedChains {
    const random = new SeededRandom(this.#random.int(1, 2 ** 30));
    const isUnchecked = this.#options.control === 'unchecked';
    const options = { random, faults: true, now: () => this.#clock.now(), isUnchecked };
    return new SimulatedChains(this.#isBounded ? { ...options, channel_max_messages: 5 } : options);
  }

  #newOwner(stage: Stage, partition: number, name: string): StageOwner {
    const random = new SeededRandom(this.#random.int(1, 2 ** 30));
    return new StageOwner({
      ...{
        stage,
        partition,
        name,
        random,
        clock: this.#clock,
        receiver: this.#receiver,
        limits: this.#limits,
      },
      topologyOf: () => this.#options.topology().stages()[stage.index]?.topology as Topology,
      log: this.#logOf(stage),
      chainsOf: (subject) => this.#chains.get(subject.split('.')[2] as string) as SimulatedChains,
    });
  }

  #logOf({ reads }: Stage): SimulatedLog {
    if (reads.kind === 'cut') return this.#cutLog(reads.cut);
    const input = this.#input;
    const published = (): readonly LogMessage[] => input.slice(0, this.#published);
    const run = this;
    return {
      name: 'INPUT',
      get layout() {
        return run.#layout;
      },
      firstSequence: () => input[0]?.sequence ?? 1,
      lastSequence: () => published().at(-1)?.sequence ?? (input[0]?.sequence ?? 1) - 1,
      after: (partition, sequence, max) =>
        published()
          .filter(
            (message) => message.sequence > sequence && partitionOfSubject(message.subject) === partition,
          )
          .slice(0, max),
    };
  }

  #cutLog(cut: string): SimulatedLog {
    const chains = this.#chains.get(cut) as SimulatedChains;
    return {
      ...{ name: cut, gaps: 'normal' as const },
      firstSequence: () => chains.firstSequence,
      lastSequence: () => chains.lastSequence,
      after: (target, sequence, max) =>
        chains.messages
          .filter((message) => message.sequence > sequence && targetOf(message.subject) === target)
          .slice(0, max)
          .map(({ bytes, ...message }) => ({
            ...message,
            data: this.#received(message.subject, message.sequence, bytes),
          })),
    };
  }

  /** As a receiver sees a message; where its check is switched off, each block seems to follow the one before. */
  #received(subject: string, sequence: number, bytes: Uint8Array): Uint8Array {
    if (this.#options.control !== 'unchecked') return bytes;
    const chains = this.#chains.get(subject.split('.')[2] as string) as SimulatedChains;
    const before = chains.all.filter((each) => each.subject === subject && each.sequence < sequence).length;
    const block = decodeBlock(bytes);
    const place = { sequence: before, ahead: 0 };
    const rows = block.rows.map(({ payload }) => ({ sequence: before + 1, payload }));
    return encodeBlock({ ...block, from: place, to: { sequence: before + 1, ahead: 0 }, rows });
  }

  async run(): Promise<StageRunResult> {
    const random = this.#random;
    const steps = MIN_STEPS + 12 * this.#owners.length;
    const struck_at = random.int(steps >> 1, (steps * 3) >> 2);
    for (let step = 0; step < steps; step++) {
      if (random.chance(0.3))
        this.#published = Math.min(this.#input.length, this.#published + random.int(0, 8));
      if (step === struck_at) this.#strike();
      await this.#act(random.pick(this.#owners));
      if (random.chance(0.3)) for (const chains of this.#chains.values()) chains.deliver();
      if (this.#isBounded && random.chance(0.1)) this.#purge();
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
      if (random.chance(0.2)) await setImmediate();
    }
    return await this.#finish();
  }

  async #act(owner: StageOwner): Promise<void> {
    const random = this.#random;
    if (!owner.isUp) {
      if (random.chance(0.5)) await owner.open(random.pick(['active', 'standby', 'standby']));
      return;
    }
    // One that stands still keeps what it believes, and goes on later.
    if (owner.stalls()) return;
    const kind = random.int(0, 99);
    if (kind < 62) await owner.step();
    else if (kind < 66) this.#say(owner);
    else if (kind < 70) this.#hear(owner);
    else if (kind < 80) owner.commit();
    else if (kind < 90) this.#activate(owner);
    else if (kind < 93) owner.standby();
    else if (kind < 96) owner.stall(random.int(5, 40));
    else if (kind < 98) owner.crash();
    else owner.loseDisk(this.#isBounded);
  }

  /** What an owner says of its outputs, others hear some time later, or never. */
  #say(owner: StageOwner): void {
    const { settled } = owner;
    if (settled !== undefined) this.#said.set(nameOf(owner), settled);
  }

  #hear(owner: StageOwner): void {
    const said = this.#said.get(nameOf(owner));
    if (said !== undefined) owner.settle(said);
  }

  #activate(owner: StageOwner): void {
    this.#activations++;
    owner.activate(++this.#epoch);
  }

  /** What a control does wrongly. */
  #strike(): void {
    const { control } = this.#options;
    if (control === 'layout_changed') {
      this.#layout = 'partition-2';
      for (const owner of this.#owners) owner.crash();
    }
    if (control !== 'chain_purged') return;
    const subjects = [...this.#chains.values()].flatMap((chains) =>
      chains.all.map(({ subject }) => [chains, subject] as const),
    );
    const [chains, subject] = this.#random.pick(subjects);
    chains.purgeAll(subject);
  }

  /** Removes what all that could be gone on from has read; the end of each channel stays. */
  #purge(): void {
    for (const { reads, index } of this.#stages) {
      if (reads.kind !== 'cut') continue;
      const chains = this.#chains.get(reads.cut) as SimulatedChains;
      for (let target = 0; target < this.#partitions; target++) {
        const owners = this.#owners.filter(
          ({ stage, partition }) => stage.index === index && partition === target,
        );
        const ends = new Map<string, number>();
        for (const { subject, sequence } of chains.messages)
          if (targetOf(subject) === target) ends.set(subject, sequence);
        const safe = Math.min(...owners.map((owner) => owner.safe_sequence)) + 1;
        chains.purge((subject) => targetOf(subject) === target, Math.min(safe, ...ends.values()));
      }
    }
  }

  /** The rest, without faults. */
  async #finish(): Promise<StageRunResult> {
    this.#published = this.#input.length;
    for (const chains of this.#chains.values()) chains.calm();
    this.#clock.advance(10 * 60_000);
    const problems: string[] = [];
    for (const { index } of this.#stages) {
      const owners = this.#owners.filter(({ stage }) => stage.index === index);
      // The first may still be fenced by an answer on its way: everybody stands back before.
      for (const owner of owners) await owner.calm();
      await this.#settle();
      for (const owner of owners.filter(({ name }) => name === 'a')) this.#activate(owner);
      for (let round = 0; owners.some((owner) => !owner.isDone); round++) {
        invariant(round < 5_000, `stage ${index} comes to its end`);
        this.#clock.advance(2_000);
        for (const owner of owners) await owner.step();
        for (const owner of owners) {
          if (owner.name === 'a') this.#say(owner);
          else this.#hear(owner);
        }
        if (this.#isBounded) this.#purgeRead(index);
        await this.#settle();
      }
      for (let partition = 0; partition < this.#partitions; partition++) {
        const [a, b] = owners.filter((owner) => owner.partition === partition);
        if (a?.digest === b?.digest) continue;
        problems.push(`The owners of ${producerName(index, partition)} have come to different states.`);
      }
    }
    const [a, b] = [this.#owners.filter(({ name }) => name === 'a'), this.#owners];
    return {
      problems,
      counts: this.#counts(b),
      states: a.map(({ state }) => state),
      channels: this.#received_rows(),
      published: this.#receiver.received,
    };
  }

  /** While the last rows are sent nobody reads yet: the channels take more. */
  #purgeRead(index: number): void {
    for (const cut of this.#stages[index]?.writes ?? []) this.#chains.get(cut)?.unbound();
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < 6; turn++) await setImmediate();
  }

  #counts(owners: readonly StageOwner[]): StageRunCounts {
    const sum = (of: (owner: StageOwner) => number): number =>
      owners.reduce((total, owner) => total + of(owner), 0);
    const chains = [...this.#chains.values()];
    return {
      activations: this.#activations,
      crashes: sum(({ crashes }) => crashes),
      restores: sum(({ restores }) => restores),
      fenced: sum(({ fenced }) => fenced),
      refused: chains.reduce((total, { refused }) => total + refused, 0),
      full: chains.reduce((total, { full }) => total + full, 0),
      blocks: chains.reduce((total, { all }) => total + all.length, 0),
    };
  }

  #received_rows(): ReadonlyMap<string, readonly ChannelRow[]> {
    const found = new Map<string, ChannelRow[]>();
    const read = new Map<string, ReadChannel>();
    for (const [cut, chains] of this.#chains) {
      for (const { subject, sequence, bytes } of chains.all) {
        const key = `${cut} ${targetOf(subject)} ${producerOf(subject)}`;
        const block = decodeBlock(this.#received(subject, sequence, bytes));
        const received = receiveBlock(subject, block, read.get(subject));
        read.set(subject, received.channel);
        found.set(key, [...(found.get(key) ?? []), ...received.rows]);
      }
    }
    return found;
  }
}

const nameOf = ({ stage, partition }: StageOwner): string => producerName(stage.index, partition);

/** The partition that a channel leads to. */
const targetOf = (subject: string): number => Number(subject.split('.')[3]);
