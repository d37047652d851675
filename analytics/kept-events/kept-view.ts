import { type KvView, RunView } from '../../engine/index.ts';
import { ALL_TIME_MS, completeFrom, NEVER_MS, readSlots, SlotReader } from '../../operators/index.ts';
import type { KeptInfo, KeptLimit } from './kept-definition.ts';
import { PrefixedView } from './prefixed-table.ts';

/** What is kept of stored definitions, in a snapshot. */
export interface KeptView {
  /** What is kept of a definition; undefined: the operator has not taken it, or leaves it to scans. */
  find(name: string): KeptInfo | undefined;
  /** The records of its entities. */
  open(info: KeptInfo): RunView;
}

/** `infos` is kept by who asks often. */
export function keptView(
  table: (id: string) => KvView,
  operator: string,
  infos: SlotReader<KeptInfo> = new SlotReader(),
): KeptView {
  return {
    find: (name) =>
      infos.read(table(`${operator}/definitions`)).find((info) => info.name === name && !info.isDropped),
    open: ({ id }) => new RunView(new PrefixedView(table(`${operator}/entities`), id)),
  };
}

/** How far a definition is built. */
export interface KeptProgress {
  /** While it is being built: the share of the log that is read. */
  readonly share?: number;
  /** From here on it has every event; null: all time, undefined: for no time yet. */
  readonly complete_from_ms: number | null | undefined;
  readonly full?: KeptLimit;
}

/** The definitions whose events are kept, by `controlKey`. */
export function keptProgress(
  table: (id: string) => KvView,
  operator: string,
): ReadonlyMap<string, KeptProgress> {
  const live = readSlots<KeptInfo>(table(`${operator}/definitions`)).filter(({ isDropped }) => !isDropped);
  return new Map(
    live.map((info) => {
      const from_ms = completeFrom(info);
      return [
        info.name,
        {
          ...(info.share === undefined ? {} : { share: info.share }),
          ...(info.full === undefined ? {} : { full: info.full }),
          complete_from_ms: from_ms === NEVER_MS ? undefined : from_ms === ALL_TIME_MS ? null : from_ms,
        },
      ];
    }),
  );
}
