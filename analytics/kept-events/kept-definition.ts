import type { BackfillSlot } from '../../operators/index.ts';
import type { RowTest } from '../entity-rows/index.ts';
import type { LogTexts } from '../filters/index.ts';

/** Which events are kept of each entity for a definition, and what of them. Columns by place among their kind. */
export interface KeptSpec {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** An event is kept when it passes any of them, with the tests that it passes as bits. At most 32. */
  readonly tests: (texts: LogTexts) => readonly RowTest[];
  /** Code columns carried along: texts. */
  readonly codes: readonly number[];
  /** Hash columns carried along. */
  readonly hashes: readonly number[];
}

/** What a definition's body asks to be kept. */
export interface KeptDefinition {
  /** Of all that decides what is kept: another one is built anew. */
  readonly meaning: string;
  readonly spec: KeptSpec;
}

/** Definitions whose events are kept. */
export interface KeptKind {
  readonly kind: string;
  /** Throws for a body that says nothing that can be kept. */
  readonly read: (body: unknown) => KeptDefinition;
}

/** A definition as it is stored. Its events lie under its id. Plain data. */
export interface KeptInfo extends BackfillSlot {
  /** Whose events they are. */
  readonly scope: string;
  readonly meaning: string;
  /** Words of a carried value: how wide the events' rows are. */
  readonly codes: number;
  readonly hashes: number;
  /** It would take more than a limit allows: nothing is kept. */
  readonly full?: KeptLimit;
}

export type KeptLimit = 'entity_max_events' | 'definition_max_bytes';

export interface KeptLimits {
  /** Definitions of one scope whose events are kept, the oldest; others are answered by scans. */
  readonly scope_max_definitions: number;
  /** Events of one entity. */
  readonly entity_max_events: number;
  /** Stored for one definition, bytes. */
  readonly definition_max_bytes: number;
  /** Definitions of all scopes that hold memory to write with, 110 KB each. */
  readonly open_max_definitions: number;
  /** Events taken in between two commits before a barrier is asked for. */
  readonly pending_max_events: number;
  /** Rows of the log that are read in a commit for new definitions, about. */
  readonly build_max_rows: number;
  /** Rows of what is kept no more that are removed in a commit. */
  readonly drop_max_rows: number;
}

export const DEFAULT_KEPT_LIMITS: KeptLimits = {
  scope_max_definitions: 100,
  entity_max_events: 2_000,
  definition_max_bytes: 256 * 1_048_576,
  open_max_definitions: 256,
  pending_max_events: 200_000,
  build_max_rows: 20_000,
  drop_max_rows: 1_000,
};

/** Words of one event beside its time and bits. */
export const heldWords = ({ codes, hashes }: Pick<KeptInfo, 'codes' | 'hashes'>): number =>
  codes + 2 * hashes;
