import {
  ByteReader,
  type KvEntry,
  type MapSpec,
  META_TABLE,
  type TableSpecs,
  type Topology,
  TTL_PREFIX_BYTES,
} from '../engine/index.ts';

/** What kind of bytes a table of the store holds. */
export type TableShape =
  | { readonly kind: 'map'; readonly spec: MapSpec<string | number, unknown> }
  | { readonly kind: 'raw' }
  | { readonly kind: 'timers' }
  | { readonly kind: 'engine' }
  /** No operator of the topology reads it. */
  | { readonly kind: 'unknown' };

/** The engine's own tables, beside those of operators. */
const ENGINE_TABLES: readonly string[] = [META_TABLE, 'outbox'];

export function shapesOf(topology: Topology): (table: string) => TableShape {
  const specs = new Map(topology.tables().map(({ id, spec }) => [id, spec as TableSpecs[string]]));
  const operators = new Set(topology.describe().nodes.map(({ name }) => name));
  return (table) => {
    const spec = specs.get(table);
    if (spec?.kind === 'map') return { kind: 'map', spec: spec as MapSpec<string | number, unknown> };
    if (spec !== undefined) return { kind: 'raw' };
    if (ENGINE_TABLES.includes(table)) return { kind: 'engine' };
    const [operator = '', name] = table.split('/');
    return name === 'timers' && operators.has(operator) ? { kind: 'timers' } : { kind: 'unknown' };
  };
}

export interface DecodedRow {
  /** Of a map table's row: whose it is, e.g. a tenant. */
  readonly scope?: string;
  readonly key: string | number;
  readonly value: unknown;
}

/** Decodes a row through its table's codecs; throws what a codec throws, and where bytes are left over. */
export function decodeRow(shape: TableShape, entry: KvEntry): DecodedRow {
  if (shape.kind === 'map') return decodeMapRow(shape.spec, entry);
  if (shape.kind === 'timers') {
    const reader = new ByteReader(entry.key);
    const at_ms = reader.u48();
    return { key: reader.orderedString(), value: { time: new Date(at_ms).toISOString() } };
  }
  return { key: shownKey(entry.key), value: shownValue(entry.value) };
}

function decodeMapRow(spec: MapSpec<string | number, unknown>, { key, value }: KvEntry): DecodedRow {
  const keys = new ByteReader(key);
  const scope = keys.orderedString();
  const decodedKey = spec.key.read(keys);
  requireEnd(keys, 'key');
  const values = new ByteReader(spec.ttl === undefined ? value : value.subarray(TTL_PREFIX_BYTES));
  const decoded = spec.value.read(values);
  requireEnd(values, 'value');
  return { scope, key: decodedKey, value: decoded };
}

function requireEnd(reader: ByteReader, what: string): void {
  if (reader.remaining > 0) throw new Error(`the codec leaves ${reader.remaining} bytes of the ${what}`);
}

const PRINTABLE = /^[\x20-\x7e]+$/;

/** A key without a codec: its text where it is text, else hex. */
function shownKey(key: Uint8Array): string {
  const text = Buffer.from(key).toString('latin1').replace(/\0$/, '').replaceAll('\0', '/');
  return PRINTABLE.test(text) ? text : Buffer.from(key).toString('hex');
}

function shownValue(value: Uint8Array): unknown {
  const text = Buffer.from(value).toString('utf8');
  if (/^[{["]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // Bytes that only begin like JSON.
    }
  }
  return { hex: Buffer.from(value).toString('hex') };
}

/** JSON of any decoded value: also of bigints, maps, sets and bytes. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, held: unknown) => {
    if (typeof held === 'bigint') return held.toString();
    if (held instanceof Map) return [...held];
    if (held instanceof Set) return [...held];
    if (held instanceof Uint8Array) return { hex: Buffer.from(held).toString('hex') };
    if (ArrayBuffer.isView(held)) return Array.from(held as unknown as ArrayLike<number>);
    return held;
  });
}
