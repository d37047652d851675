import type { BackfillSlot } from '../../operators/index.ts';
import type { RowTest } from '../entity-rows/index.ts';
import type { LogTexts } from '../filters/index.ts';
import type { AttemptForm, AttemptsOf } from '../kept-attempts/index.ts';
import type { KeptEvents } from './kept-record.ts';

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
  readonly attempts: KeptAttempts;
}

/** Which attempts the events of an entity make. */
export interface KeptAttempts {
  /** Of all that decides it beside the events: another one is built anew, from the events that are kept. */
  readonly meaning: string;
  readonly form: AttemptForm;
  /** What finds them, with memory of its own. */
  readonly finder: () => AttemptsOf<KeptEvents>;
}

/** The attempts that are stored of a definition. Plain data. */
export interface KeptAttemptsInfo {
  readonly meaning: string;
  /** They are those of entities whose high word, unsigned, is below it; or one of `BUILT_TO`. */
  readonly built_to: number;
}

export const BUILT_TO = {
  /** An entity has so many events that to keep its attempts up to date would take too long. */
  leftOut: -2,
  /** What is stored means something else, and goes with the next commit. */
  stale: -1,
  none: 0,
  all: 2 ** 32,
} as const;

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
  /** Absent: of a version that stored none. */
  readonly attempts?: KeptAttemptsInfo;
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
  /** Bytes of records that are read in a commit to build the attempts of a definition, about. */
  readonly attempts_max_bytes: number;
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
  attempts_max_bytes: 262_144,
  drop_max_rows: 1_000,
};

/** Words of one event beside its time and bits. */
export const heldWords = ({ codes, hashes }: Pick<KeptInfo, 'codes' | 'hashes'>): number =>
  codes + 2 * hashes;
