import { OPERATORS } from '../../../analytics/index.ts';
import {
  DEFAULT_LOG_LIMITS,
  type KvReader,
  type LogUpkeepMode,
  logUpkeepPlan,
  type ScopeUpkeep,
} from '../../../engine/index.ts';
import { ApiError, type ApiPorts, type StateReader } from '../../http/index.ts';

const SEGMENTS = `${OPERATORS.log}/segments`;

/** What a state has, and what upkeep would do to it. */
export interface UpkeepLook {
  readonly generation: number;
  readonly scopes: readonly ScopeUpkeep[];
}

/** Of the file of a state, bytes. */
export interface StateSpace {
  readonly file_bytes: number;
  readonly used_bytes: number;
  /** In pages that hold nothing any more, about: they are used again, and keep their bytes until then. */
  readonly free_bytes: number;
}

/** Which segments count: those that were there at a look, in the generation that it was of. */
export type Since = UpkeepLook | undefined;

export interface LookParts {
  readonly ports: Pick<ApiPorts, 'reader' | 'backfill'>;
  readonly mode: LogUpkeepMode;
  /** Absent: all. */
  readonly tenants: readonly string[] | undefined;
}

/** 503 `state_not_ready` before the state can be read. */
export function stateOf({ reader }: Pick<ApiPorts, 'reader'>): StateReader {
  const state = reader();
  if (state !== undefined) return state;
  throw new ApiError('state_not_ready', 'The state cannot be read yet. Try again shortly.', {
    retryAfter_s: 1,
  });
}

/** What there is to do, from manifests alone; with `since` only to what was there then. */
export function lookAt({ ports, mode, tenants }: LookParts, since?: Since): UpkeepLook {
  const { generation, reader } = stateOf(ports);
  const before =
    since === undefined || since.generation !== generation
      ? undefined
      : new Map(since.scopes.map(({ scope, nextId }) => [scope, nextId]));
  const isWanted = (scope: string, id: number): boolean =>
    before === undefined || id < (before.get(scope) ?? 0);
  const all = planIn(reader, mode, isWanted);
  const scopes = tenants === undefined ? all : all.filter(({ scope }) => tenants.includes(scope));
  return { generation, scopes };
}

function planIn(
  reader: KvReader,
  mode: LogUpkeepMode,
  isWanted: (scope: string, id: number) => boolean,
): ScopeUpkeep[] {
  return reader.snapshot((table) => logUpkeepPlan(table(SEGMENTS), mode, DEFAULT_LOG_LIMITS, isWanted));
}

/** undefined where this process does not have the file. */
export function spaceOf({ ports }: LookParts): StateSpace | undefined {
  const { generation, reader } = stateOf(ports);
  const file = ports.backfill?.list().find((one) => one.generation === generation);
  const sizes = reader.tableSizes?.();
  if (file === undefined || sizes === undefined) return undefined;
  let used_bytes = 0;
  for (const { size_bytes } of sizes.values()) used_bytes += size_bytes;
  const { size_bytes: file_bytes } = file;
  return { file_bytes, used_bytes, free_bytes: Math.max(0, file_bytes - used_bytes) };
}

export const dueRows = ({ scopes }: UpkeepLook): number => scopes.reduce((sum, { due }) => sum + due.rows, 0);
