import { type KvView, RunView } from '../../engine/index.ts';
import { ALL_TIME_MS, completeFrom, NEVER_MS, readSlots, SlotReader } from '../../operators/index.ts';
import { AttemptView } from '../kept-attempts/index.ts';
import { BUILT_TO, type KeptInfo, type KeptLimit } from './kept-definition.ts';
import { PrefixedView } from './prefixed-table.ts';

/** What is kept of stored definitions, in a snapshot. */
export interface KeptView {
  /** What is kept of a definition; undefined: the operator has not taken it, or leaves it to scans. */
  find(name: string): KeptInfo | undefined;
  /** The records of its entities. */
  open(info: KeptInfo): RunView;
  /** Their attempts; undefined: not those of all its entities, or other ones. */
  attempts(info: KeptInfo, meaning: string): AttemptView | undefined;
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
    attempts: ({ id, attempts }, meaning) =>
      attempts?.meaning === meaning && attempts.built_to === BUILT_TO.all
        ? new AttemptView(table(`${operator}/attempts`), id)
        : undefined,
  };
}

/** Why definitions are left to scans. */
const REASONS: Readonly<Record<KeptLimit, string>> = {
  entity_max_events: 'An entity has more events than are kept of one: scans answer.',
  definition_max_bytes: 'There are more events than are kept for one definition: scans answer.',
};
export const KEPT_LEFT_OUT = {
  code: 'scope_max_definitions',
  message:
    'Events are kept for the oldest definitions of a tenant, as many as may be: scans answer this one.',
};

/** How far a definition is built. */
export interface KeptProgress {
  /** While it is being built: the share of the log that is read. */
  readonly share?: number;
  /** From here on it has every event; null: all time, undefined: for no time yet. */
  readonly complete_from_ms: number | null | undefined;
  readonly refused?: { readonly code: string; readonly message: string };
}

/** The definitions whose events are kept, by `controlKey`. */
export function keptProgress(
  table: (id: string) => KvView,
  operator: string,
): ReadonlyMap<string, KeptProgress> {
  const live = readSlots<KeptInfo>(table(`${operator}/definitions`)).filter(({ isDropped }) => !isDropped);
  return new Map(live.map((info) => [info.name, progressOf(info)]));
}

function progressOf(info: KeptInfo): KeptProgress {
  const { share, full } = info;
  const from_ms = completeFrom(info);
  return {
    ...(share === undefined ? {} : { share }),
    ...(full === undefined ? {} : { refused: { code: full, message: REASONS[full] } }),
    complete_from_ms: from_ms === NEVER_MS ? undefined : from_ms === ALL_TIME_MS ? null : from_ms,
  };
}
