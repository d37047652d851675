import { ByteReader, ByteWriter, type KvTable, type KvView } from '../../engine/index.ts';

/** Words of an event id's hash, of which the tenant is part. */
export interface EventWords {
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
}

/** Where a correction stands among those of an event: the greatest holds. None of it is the order of arrival. */
export interface CorrectionRank {
  readonly version: number;
  readonly time_ms: number;
  /** 32 bits of a hash of all that it says. */
  readonly payload: number;
}

const KINDS = ['superseded', 'retracted', 'erased', 'gone'] as const;
type CorrectionKind = (typeof KINDS)[number];

export interface EventCorrection extends CorrectionRank {
  /**
   * `erased`: superseded, by what is left of it when its message is erased. `gone`: it says that one was there which
   * counted for nothing when its message was erased, and counts for nothing itself.
   */
  readonly kind: CorrectionKind;
  readonly sequence: number;
  readonly part: number;
  /** Of a retraction: the id of the event that says it. */
  readonly by: EventWords;
  readonly by_id: Uint8Array;
  /** Of what stands in the event's place: as `storeOwn` writes it. */
  readonly own: Uint8Array;
}

/** Which of an event's contents counts: that with which it came, or the correction of this index. */
export const ORIGINAL = -1;

/** An event that corrections speak of, or that is a retraction. */
export interface AmendedEvent {
  /** UTF-8. */
  readonly id: Uint8Array;
  /** As it came; undefined while it has not come. */
  original: { readonly own: Uint8Array; readonly sequence: number; readonly part: number } | undefined;
  /** Of a retraction: what it is among corrections, and what it takes back. */
  retracts: (CorrectionRank & { readonly targets: readonly EventWords[] }) | undefined;
  /** In the order in which they came. */
  readonly corrections: EventCorrection[];
  current: number;
}

/** Of one event; a further one is refused. */
export const CORRECTIONS_MAX = 100;

export function keyOfWords({ id0, id1, id2 }: EventWords): Uint8Array {
  return new ByteWriter()
    .u32(id0 >>> 0)
    .u32(id1 >>> 0)
    .u32(id2 >>> 0)
    .copy();
}

/** Below 0 where `a` gives way to `b`. */
export function compareRanks(a: CorrectionRank, b: CorrectionRank): number {
  return a.version - b.version || a.time_ms - b.time_ms || (a.payload >>> 0) - (b.payload >>> 0);
}

function writeRank(writer: ByteWriter, { version, time_ms, payload }: CorrectionRank): void {
  writer
    .varint(version)
    .u48(time_ms)
    .u32(payload >>> 0);
}

function readRank(reader: ByteReader): CorrectionRank {
  return { version: reader.varint(), time_ms: reader.u48(), payload: reader.u32() };
}

function writeWords(writer: ByteWriter, { id0, id1, id2 }: EventWords): void {
  writer
    .u32(id0 >>> 0)
    .u32(id1 >>> 0)
    .u32(id2 >>> 0);
}

function readWords(reader: ByteReader): EventWords {
  return { id0: reader.u32() | 0, id1: reader.u32() | 0, id2: reader.u32() | 0 };
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.varint(bytes.length).bytes(bytes);
}

const readBytes = (reader: ByteReader): Uint8Array => Uint8Array.from(reader.bytes(reader.varint()));

export function encodeAmended({ id, original, retracts, corrections, current }: AmendedEvent): Uint8Array {
  const writer = new ByteWriter();
  writeBytes(writer, id);
  writer.u8((original === undefined ? 0 : 1) | (retracts === undefined ? 0 : 2)).varint(current + 1);
  if (original !== undefined) {
    writer.varint(original.sequence).varint(original.part);
    writeBytes(writer, original.own);
  }
  if (retracts !== undefined) {
    writeRank(writer, retracts);
    writer.varint(retracts.targets.length);
    for (const target of retracts.targets) writeWords(writer, target);
  }
  writer.varint(corrections.length);
  for (const correction of corrections) {
    writer.u8(KINDS.indexOf(correction.kind));
    writeRank(writer, correction);
    writer.varint(correction.sequence).varint(correction.part);
    writeWords(writer, correction.by);
    writeBytes(writer, correction.by_id);
    writeBytes(writer, correction.own);
  }
  return writer.copy();
}

export function decodeAmended(bytes: Uint8Array): AmendedEvent {
  const reader = new ByteReader(bytes);
  const id = readBytes(reader);
  const has = reader.u8();
  const current = reader.varint() - 1;
  const place = () => ({ sequence: reader.varint(), part: reader.varint() });
  const original = (has & 1) === 0 ? undefined : { ...place(), own: readBytes(reader) };
  let retracts: AmendedEvent['retracts'];
  if ((has & 2) !== 0) {
    const rank = readRank(reader);
    retracts = { ...rank, targets: Array.from({ length: reader.varint() }, () => readWords(reader)) };
  }
  const corrections = Array.from({ length: reader.varint() }, (): EventCorrection => {
    const kind = KINDS[reader.u8()] as CorrectionKind;
    const rank = readRank(reader);
    return {
      ...{ kind, ...rank, ...place() },
      ...{ by: readWords(reader), by_id: readBytes(reader), own: readBytes(reader) },
    };
  });
  return { id, original, retracts, corrections, current };
}

/** Newest time that it speaks of, ms. */
export function newestOf({ corrections, retracts }: AmendedEvent): number {
  return Math.max(retracts?.time_ms ?? 0, ...corrections.map(({ time_ms }) => time_ms));
}

/** Whether the event came, or cannot come any more. */
function isSettled({ original, corrections }: AmendedEvent): boolean {
  return original !== undefined || corrections.some(({ kind }) => kind === 'erased' || kind === 'gone');
}

/**
 * Forgets what an event was whose message is erased: how it came, or the correction whose hash is given. `left` is what
 * stands in its place.
 */
export function forgetContent(
  amended: AmendedEvent,
  erased_payload: number | undefined,
  left: EventCorrection,
): void {
  const { original, corrections } = amended;
  if (erased_payload === undefined) {
    if (original !== undefined && amended.current !== ORIGINAL)
      amended.original = { ...original, own: NOTHING };
    return;
  }
  const current = corrections[amended.current];
  const kept = corrections.filter(
    (one) =>
      one === left ||
      one === current ||
      (one.kind !== 'superseded' && (one.kind !== 'erased' || left.kind === 'gone')) ||
      (one.payload | 0) !== (erased_payload | 0),
  );
  corrections.splice(0, corrections.length, ...kept);
  amended.current = current === undefined ? amended.current : corrections.indexOf(current);
}

export const NOTHING = new Uint8Array(0);

/** What the set of events decides of all amended events: which corrections there are, and whether the event came. */
export function* amendedRows(view: KvView, cut_ms: number): Iterable<Uint8Array> {
  for (const { key, value } of view.scan()) {
    const amended = decodeAmended(value);
    if (newestOf(amended) < cut_ms) continue;
    const writer = new ByteWriter().bytes(key).u8(isSettled(amended) ? 1 : 0);
    if (amended.retracts !== undefined) writeRank(writer, amended.retracts);
    for (const correction of amended.corrections.toSorted(compareRanks)) {
      writer.u8(KINDS.indexOf(correction.kind));
      writeRank(writer, correction);
      writeWords(writer, correction.by);
    }
    yield writer.copy();
  }
}

/** The table of amended events, with what is not committed yet. */
export class AmendedEvents {
  readonly #table: KvTable;
  readonly #changed = new Map<string, { readonly key: Uint8Array; readonly amended: AmendedEvent }>();
  /** First words of the ids that corrections wait for, each with how many wait. */
  readonly #awaited = new Map<number, number>();

  constructor(table: KvTable) {
    this.#table = table;
    for (const { key, value } of table.scan())
      if (decodeAmended(value).original === undefined) this.#await(new ByteReader(key).u32() | 0, 1);
  }

  get awaited(): number {
    return this.#awaited.size;
  }

  get changed(): number {
    return this.#changed.size;
  }

  /** Whether an event of this id may be waited for. */
  mayAwait(id0: number): boolean {
    return this.#awaited.has(id0);
  }

  get(words: EventWords): AmendedEvent | undefined {
    const key = keyOfWords(words);
    const changed = this.#changed.get(Buffer.from(key).toString('latin1'));
    if (changed !== undefined) return changed.amended;
    const stored = this.#table.get(key);
    return stored === undefined ? undefined : decodeAmended(stored);
  }

  /** Keeps an event that was changed. `wasAwaited`: it was there before, without its original. */
  put(words: EventWords, amended: AmendedEvent, wasAwaited: boolean): void {
    const key = keyOfWords(words);
    this.#changed.set(Buffer.from(key).toString('latin1'), { key, amended });
    const isAwaited = amended.original === undefined;
    if (isAwaited !== wasAwaited) this.#await(words.id0, isAwaited ? 1 : -1);
  }

  #await(id0: number, by: number): void {
    const count = (this.#awaited.get(id0) ?? 0) + by;
    if (count > 0) this.#awaited.set(id0, count);
    else this.#awaited.delete(id0);
  }

  /** Inside the commit. */
  commit(): void {
    for (const { key, amended } of this.#changed.values()) this.#table.put(key, encodeAmended(amended));
    this.#changed.clear();
  }

  /** Inside the commit, behind `commit`: forgets what speaks only of times before the cut, ms. */
  cut(cut_ms: number): void {
    const gone = [...this.#table.scan()].flatMap(({ key, value }) => {
      const amended = decodeAmended(value);
      return newestOf(amended) < cut_ms ? [{ key: Uint8Array.from(key), amended }] : [];
    });
    for (const { key, amended } of gone) {
      this.#table.remove(key);
      if (amended.original === undefined) this.#await(new ByteReader(key).u32() | 0, -1);
    }
  }
}
