import { ByteReader, ByteWriter } from '../base/index.ts';
import { type KvTable, type KvView, prefixEnd } from '../state/index.ts';
import type { ControlDefinition, ControlSet } from './control-input.ts';

/** The name of the engine's table of definitions, beside those of the operators. */
export const CONTROL_TABLE = 'control';

/** Why a definition does not count. */
export interface Refusal {
  /** Who refused it; absent: the task, for one of its limits. */
  readonly operator?: string;
  readonly code: string;
  readonly message: string;
}

/** A definition as the state knows it: part of the commit. */
export interface AppliedDefinition extends Omit<ControlDefinition, 'body'> {
  /** Its body as text: JSON, members in order of their names. '' where it was too large to be looked at. */
  readonly text: string;
  readonly refusals: readonly Refusal[];
}

function keyOf({ kind, scope, id }: Pick<ControlDefinition, 'kind' | 'scope' | 'id'>): Uint8Array {
  return new ByteWriter().orderedString(kind).orderedString(scope).orderedString(id).copy();
}

function read(key: Uint8Array, value: Uint8Array): AppliedDefinition {
  const reader = new ByteReader(key);
  const [kind, scope, id] = [reader.orderedString(), reader.orderedString(), reader.orderedString()];
  const stored = JSON.parse(Buffer.from(value).toString()) as Omit<
    AppliedDefinition,
    'kind' | 'scope' | 'id'
  >;
  return { kind, scope, id, ...stored };
}

/** What a state says of a definition; undefined: it has not come into it, or went. `control` is `CONTROL_TABLE`. */
export function readApplied(
  control: KvView,
  name: Pick<ControlDefinition, 'kind' | 'scope' | 'id'>,
): AppliedDefinition | undefined {
  const key = keyOf(name);
  const value = control.get(key);
  return value === undefined ? undefined : read(key, value);
}

/** Every definition in a state, of one kind if it is named, by kind, scope and id. */
export function listApplied(control: KvView, kind?: string): AppliedDefinition[] {
  if (kind === undefined) return Array.from(control.scan(), ({ key, value }) => read(key, value));
  const start = new ByteWriter().orderedString(kind).copy();
  const end = prefixEnd(start);
  const range = end === undefined ? { start } : { start, end };
  return Array.from(control.scan(range), ({ key, value }) => read(key, value));
}

/** The definitions of a state, as an input of another one that is to be the same. */
export function appliedSet(control: KvView, position: Omit<ControlSet, 'definitions'>): ControlSet {
  const definitions = listApplied(control).map(({ kind, scope, id, revision, text }) => ({
    ...{ kind, scope, id, revision },
    body: text === '' ? null : (JSON.parse(text) as unknown),
  }));
  return { ...position, definitions };
}

/** Inside a commit. */
export function writeApplied(control: KvTable, { kind, scope, id, ...stored }: AppliedDefinition): void {
  control.put(keyOf({ kind, scope, id }), Buffer.from(JSON.stringify(stored)));
}

/** Inside a commit. */
export function removeApplied(
  control: KvTable,
  name: Pick<ControlDefinition, 'kind' | 'scope' | 'id'>,
): void {
  control.remove(keyOf(name));
}

/** A value of JSON as text that goes by what it says: members in order of their names. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
