import { Observable } from 'rxjs';
import {
  ByteReader,
  ByteWriter,
  type Codec,
  MillraceError,
  partitionOf,
  refuseAsync,
  requireText,
  type Signal,
  stringKey,
  trustedJsonCodec,
  watchingJson,
} from '../base/index.ts';
import {
  leastWatermark,
  type ReadChannel,
  readChannelCodec,
  readMessage,
  receiveBlock,
} from '../channels/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { mapTable } from '../state/index.ts';
import { defineOperator } from './define-operator.ts';
import type { OperatorDoc, Runtime } from './operator.ts';

/** By which key a stream is divided anew, and how its items travel. */
export interface RepartitionConfig<T> {
  /** What decides where an item goes: items of one key go to one partition, in their order from each partition. */
  keyOf(item: T): string;
  /** How an item travels. Default: as JSON. */
  readonly codec?: Codec<T>;
}

/** What a cut is made of. */
export interface CutSpec {
  readonly keyOf: (item: unknown) => string;
  readonly codec: Codec<unknown>;
}

export const repartitionDoc: OperatorDoc = {
  kind: 'repartition',
  summary: 'Divides a stream anew by another key: what follows is a stage of its own',
};

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

export function cutSpec<T>(name: string, config: RepartitionConfig<T>): CutSpec {
  if (!NAME.test(name)) {
    throw new MillraceError(
      'bad_operator_name',
      `"${name}" is no name of a cut: use a-z, 0-9 and "-", at most 63 characters, a letter first.`,
    );
  }
  refuseAsync(config, `repartition "${name}"`);
  const { codec = trustedJsonCodec<T>() } = config;
  // What comes to the cut is what its stream was typed with.
  return { keyOf: (item) => config.keyOf(item as T), codec: codec as Codec<unknown> };
}

/** Rows that are looked at for what JSON does not keep. */
const LOOKED_AT_ROWS = 100;

type Signals = Observable<Signal<unknown>>;

/** A cut in a task that runs the whole topology: items go on as they are. */
export function passCut(name: string, { keyOf }: CutSpec, runtime: Runtime, input: Signals): Signals {
  return watched(name, runtime, input, (items) => {
    for (const item of items) requireText(keyOf(item));
  });
}

/** The end of a stage: items go to the channels of their targets, and nowhere else. */
export function channelOut(
  name: string,
  { keyOf, codec }: CutSpec,
  partitions: number,
  runtime: Runtime,
  input: Signals,
): Signals {
  const { channels, cursor } = runtime;
  if (channels === undefined) throw noChannels(name);
  const out = channels.open(name, partitions);
  const writer = new ByteWriter();
  let looked = 0;
  const received = runtime.metrics.counter(
    'millrace.operator.received',
    'Items that came to an operator; of columns, batches',
    { operator: name },
  );
  const give = (items: readonly unknown[]): void => {
    received.add(items.length);
    for (const item of items) {
      const key = keyOf(item);
      requireText(key);
      const write = (): void => codec.write(writer.reset(), item);
      const lost = looked < LOOKED_AT_ROWS ? watchingJson(write) : void write();
      looked++;
      if (lost !== undefined) throw notKept(name, lost);
      out.add(partitionOf(key, partitions), cursor.sequence, Uint8Array.from(writer.view()));
    }
  };
  return watched(name, runtime, input, give, out.watermark);
}

/** Hears what passes; an error stops the task before it commits. Of the end of a stage only time and barriers go on. */
function watched(
  name: string,
  { failures }: Runtime,
  input: Signals,
  hear: (items: readonly unknown[]) => void,
  watermark?: (time_ms: number) => void,
): Signals {
  return new Observable<Signal<unknown>>((output) =>
    input.subscribe({
      next: (signal) => {
        try {
          if (signal.kind === 'batch') hear(signal.items);
          else if (signal.kind === 'watermark') watermark?.(signal.time_ms);
          if (signal.kind !== 'batch' || watermark === undefined) output.next(signal);
        } catch (error) {
          failures.report(name, error);
          output.error(error);
        }
      },
      error: (error) => output.error(error),
    }),
  );
}

export interface ChannelInConfig {
  readonly codec: Codec<unknown>;
  /** All tasks of the stage before. */
  readonly producers: readonly string[];
}

const tables = () => ({
  channels: mapTable<string, ReadChannel>({
    ...{ key: stringKey, value: readChannelCodec, version: 1 },
    // How far each producer was read says how the state came about.
    logicalRows: () => [],
  }),
});

/**
 * The beginning of a stage: blocks become items again, each once and in the order of its producer. The watermark is the
 * smallest of all producers. Throws `bad_block`, `unknown_producer` and `channel_gap`.
 */
export const channelIn = defineOperator<SourceRecord, unknown, ChannelInConfig, ReturnType<typeof tables>>({
  kind: 'channel-in',
  summary: 'Items of the stage before',
  ownsWatermark: true,
  state: tables,
  definition: ({ producers }) => ({ producers: producers.length }),
  start: ({
    config: { codec, producers },
    state,
    metrics,
    name,
    emit,
    emitWatermark,
    initialWatermark_ms,
  }) => {
    const channels = state.channels.scope('');
    const count = (what: string, help: string) =>
      metrics.counter(`millrace.channel.${what}`, help, { operator: name });
    const blocks = count('received_blocks', 'Blocks of the stage before that were read');
    const known = count('received_known_rows', 'Rows that came again and were left out');
    let current_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const take = ({ subject, data }: SourceRecord): void => {
      // Items may outlive the buffer of the source.
      const { producer, block } = readMessage(subject, Uint8Array.from(data), producers);
      const before = channels.get(producer);
      const { rows, known_rows, channel } = receiveBlock(subject, block, before);
      channels.set(producer, channel);
      blocks.add();
      known.add(known_rows);
      emit(rows.map(({ payload }) => codec.read(new ByteReader(payload))));
      if (channel.watermark_ms === (before?.watermark_ms ?? null)) return;
      const least_ms = leastWatermark(producers.map((each) => channels.get(each)));
      if (least_ms === null || least_ms <= current_ms) return;
      current_ms = least_ms;
      emitWatermark(least_ms);
    };
    return {
      // The committed watermark at start: what is behind goes on from it.
      onWatermark: (time_ms) => {
        if (time_ms < current_ms) return;
        current_ms = time_ms;
        emitWatermark(time_ms);
      },
      onBatch: (records) => {
        for (const record of records) take(record);
      },
    };
  },
});

function noChannels(name: string): MillraceError {
  return new MillraceError(
    'no_channels',
    `"${name}" sends to another stage, and the task was given no channels: give it the option channels, or run the ` +
      'topology as a whole.',
  );
}

function notKept(name: string, lost: string): MillraceError {
  return new MillraceError(
    'cut_not_kept',
    `An item for the cut "${name}" would be another one behind it: ${lost}. Give it a codec, or send what JSON keeps.`,
  );
}
