import {
  ByteReader,
  CONTROL_TABLE,
  type DescribedRow,
  type KvEntry,
  type KvView,
  type MapSpec,
  META_TABLE,
  prefixEnd,
  type RawSpec,
  scopeRange,
  type TableSpecs,
  type Topology,
  TTL_PREFIX_BYTES,
} from '../../engine/index.ts';

/** What kind of bytes a table of the store holds. */
export type TableShape =
  | { readonly kind: 'map'; readonly spec: MapSpec<string | number, unknown> }
  | { readonly kind: 'raw'; readonly describeRow: RawSpec['describeRow'] }
  | { readonly kind: 'timers' }
  | { readonly kind: 'engine' }
  /** No operator of the topology reads it. */
  | { readonly kind: 'unknown' };

/** The engine's own tables, beside those of operators. */
const ENGINE_TABLES: readonly string[] = [META_TABLE, 'outbox', CONTROL_TABLE];

export function shapesOf(topology: Topology): (table: string) => TableShape {
  const specs = new Map(topology.tables().map(({ id, spec }) => [id, spec as TableSpecs[string]]));
  const operators = new Set(topology.describe().nodes.map(({ name }) => name));
  return (table) => {
    const spec = specs.get(table);
    if (spec?.kind === 'map') return { kind: 'map', spec: spec as MapSpec<string | number, unknown> };
    if (spec !== undefined) return { kind: 'raw', describeRow: (spec as RawSpec).describeRow };
    if (ENGINE_TABLES.includes(table)) return { kind: 'engine' };
    const [operator = '', name] = table.split('/');
    return name === 'timers' && operators.has(operator) ? { kind: 'timers' } : { kind: 'unknown' };
  };
}

/** Decodes a row as its table says; throws what a codec throws, and where bytes are left over. */
export function decodeRow(shape: TableShape, entry: KvEntry): DescribedRow {
  if (shape.kind === 'map') return decodeMapRow(shape.spec, entry);
  if (shape.kind === 'raw' && shape.describeRow !== undefined) return shape.describeRow(entry);
  if (shape.kind === 'engine') return describeEngineRow(entry);
  if (shape.kind === 'timers') {
    const reader = new ByteReader(entry.key);
    const at_ms = reader.u48();
    return { key: reader.orderedString(), value: { time: new Date(at_ms).toISOString() } };
  }
  return { key: shownKey(entry.key), value: shownValue(entry.value) };
}

/** The rows of a table, of one scope where one is given. */
export function* decodedRows(shape: TableShape, view: KvView, scope?: string): Generator<DescribedRow> {
  // Raw tables lay their keys out as they like: only a decoded row says whose it is.
  for (const entry of view.scan(shape.kind === 'map' ? rangeOf(scope) : {})) {
    const row = decodeRow(shape, entry);
    if (scope === undefined || row.scope === scope) yield row;
  }
}

function rangeOf(scope: string | undefined) {
  if (scope === undefined) return {};
  const { prefix } = scopeRange(scope);
  const end = prefixEnd(prefix);
  return end === undefined ? { start: prefix } : { start: prefix, end };
}

function decodeMapRow(spec: MapSpec<string | number, unknown>, { key, value }: KvEntry): DescribedRow {
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

/** Rows of the engine: its own key is in readable words, but for a notice's number and a table's version. */
function describeEngineRow({ key, value }: KvEntry): DescribedRow {
  const reader = new ByteReader(key);
  const name = key.length > U48_BYTES ? reader.orderedString() : '';
  if (name === 'notice') {
    const [scope, kind] = [reader.orderedString(), reader.orderedString()];
    return { key: `notice/${scope}/${kind}/${reader.u32()}`, value: shownValue(value) };
  }
  if (name === 'schema') {
    return { key: `schema/${reader.orderedString()}`, value: { version: new ByteReader(value).varint() } };
  }
  if (key.length === U48_BYTES) return { key: new ByteReader(key).u48(), value: shownValue(value) };
  return { key: shownKey(key), value: shownValue(value) };
}

/** Keys of the outbox. */
const U48_BYTES = 6;

const PRINTABLE = /^[\x20-\x7e]+$/;

/** A key without a codec: its text where it is text, else hex. */
function shownKey(key: Uint8Array): string {
  const words = Buffer.from(key).toString('latin1').replace(/\0$/, '').split('\0');
  return words.every((word) => PRINTABLE.test(word)) ? words.join('/') : Buffer.from(key).toString('hex');
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

/** A time in ms as people read it; what no calendar has stays a number. */
export function timeText(time_ms: number): string {
  const date = new Date(time_ms);
  return Number.isNaN(date.getTime()) ? `${time_ms} ms` : date.toISOString();
}
