import { ByteReader, ByteWriter, invariant } from '../base/index.ts';
import type { ColumnKind, ColumnSpec, StoredSchema } from '../columns/index.ts';
import type { KvTable, KvView } from '../state/index.ts';
import { SCHEMA_RANGE, schemaKey } from './layout.ts';

const KINDS: readonly ColumnKind[] = ['code', 'hash', 'number'];
const TEXT = 1;
const PROVENANCE = 2;

function writeSpecs(writer: ByteWriter, specs: readonly ColumnSpec[]): void {
  writer.varint(specs.length);
  for (const { name, kind, text, provenance } of specs) {
    const flags = (text === true ? TEXT : 0) | (provenance === true ? PROVENANCE : 0);
    writer.string(name).u8(KINDS.indexOf(kind)).u8(flags);
  }
}

function readSpecs(reader: ByteReader): ColumnSpec[] {
  return Array.from({ length: reader.varint() }, () => {
    const name = reader.string();
    const kind = KINDS[reader.u8()];
    invariant(kind !== undefined, 'the kind of a stored column is known');
    const flags = reader.u8();
    return {
      name,
      kind,
      ...((flags & TEXT) !== 0 ? { text: true } : {}),
      ...((flags & PROVENANCE) !== 0 ? { provenance: true } : {}),
    };
  });
}

function bytesOf({ columns, items }: Pick<StoredSchema, 'columns' | 'items'>): Buffer {
  const writer = new ByteWriter();
  writeSpecs(writer, columns);
  writeSpecs(writer, items);
  return writer.copy();
}

/** The schemas of a log's segments. */
export class StoredSchemas {
  readonly #byId: StoredSchema[] = [];

  constructor(segments: KvView) {
    for (const { value } of segments.scan(SCHEMA_RANGE)) {
      const reader = new ByteReader(value);
      const columns = readSpecs(reader);
      this.#byId.push({ id: this.#byId.length, columns, items: readSpecs(reader) });
    }
  }

  get all(): readonly StoredSchema[] {
    return this.#byId;
  }

  get(id: number): StoredSchema {
    const schema = this.#byId[id];
    invariant(schema !== undefined, `the log has the schema ${id} of a segment`);
    return schema;
  }

  /** The stored form of these columns, written where it is new; inside a commit. */
  store(segments: KvTable, schema: Pick<StoredSchema, 'columns' | 'items'>): StoredSchema {
    const bytes = bytesOf(schema);
    const known = this.#byId.find((stored) => bytesOf(stored).equals(bytes));
    if (known !== undefined) return known;
    const stored = { id: this.#byId.length, columns: schema.columns, items: schema.items };
    segments.put(schemaKey(stored.id), bytes);
    this.#byId.push(stored);
    return stored;
  }
}
