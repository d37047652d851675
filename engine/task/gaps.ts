import { ByteWriter } from '../base/index.ts';
import type { SequenceRange, SourceRecord, StreamFacts } from '../edges/index.ts';
import type { Notice, Topology } from '../graph/index.ts';
import { type KvTable, type KvView, prefixEnd } from '../state/index.ts';

/**
 * - `removed`: was in the stream and was removed from it before it was read;
 * - `lost`: was read, and the stream ends before it now;
 * - `replaced`: was read, and the stream has other messages of these sequences now.
 */
export type GapKind = 'removed' | 'lost' | 'replaced';

/** Messages that a stream acknowledged and does not have any more, so far as sequences tell. */
export interface StreamGap extends SequenceRange {
  readonly kind: GapKind;
  /** Of the source that noticed it. */
  readonly node: string;
  readonly stream: string;
  readonly incarnation: string;
  /** Fewer than the range has where several gaps had to become one. */
  readonly messages: number;
  readonly noticed_at_ms: number;
}

/** Gaps that are kept one by one; later ones of a kind widen its last. */
export const GAPS_MAX = 1_000;

const prefix = (): ByteWriter => new ByteWriter().orderedString('engine').orderedString('gap');

const keyOf = ({ node, kind, first }: StreamGap): Uint8Array =>
  prefix().orderedString(node).orderedString(kind).u48(first).copy();

/** The gaps of a state, by source and kind, in the order of their sequences. */
export function readGaps(meta: KvView): StreamGap[] {
  const start = prefix().copy();
  const end = prefixEnd(start);
  const rows = [...meta.scan(end === undefined ? { start } : { start, end })];
  return rows.map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as StreamGap);
}

/** In it a message says of which removed ones it has the events again. */
const RESENDS_HEADER = 'Millrace-Resends';
const RANGES = /^\d{1,15}(-\d{1,15})?(, ?\d{1,15}(-\d{1,15})?)*$/;
/** Of one message. */
const RESENT_MAX_RANGES = 100;

/** The sequences of `Millrace-Resends: 12, 14-18`; none where it is written otherwise. */
function resentRanges(header: string | undefined): readonly SequenceRange[] {
  if (header === undefined || !RANGES.test(header)) return [];
  return header
    .split(',')
    .slice(0, RESENT_MAX_RANGES)
    .map((text) => {
      const [first = 0, last = first] = text.split('-').map(Number);
      return { first, last };
    });
}

/** The input that noticed a gap. */
interface NoticedBy {
  readonly node: string;
  readonly facts: Pick<StreamFacts, 'stream' | 'incarnation'>;
}

/** The gaps of a task: noticed while it runs, written with the commit whose position is behind them. */
export class GapBoard {
  readonly #gaps: Map<string, StreamGap>;
  readonly #changed = new Map<string, StreamGap | undefined>();

  constructor(stored: readonly StreamGap[]) {
    this.#gaps = new Map(stored.map((gap) => [nameOf(gap), gap]));
  }

  /** Messages in all gaps. */
  get messages(): number {
    return [...this.#gaps.values()].reduce((sum, gap) => sum + gap.messages, 0);
  }

  /**
   * Takes in a gap. One that touches known ones of its kind becomes one with them. `lost` and `replaced` say how the
   * stream and the position differ now: they take the place of what was said of that before.
   */
  add(gap: StreamGap): void {
    if (gap.kind !== 'removed') this.settle(gap.node);
    const before = [...this.#gaps.values()].filter(
      ({ node, kind, incarnation }) =>
        node === gap.node && kind === gap.kind && incarnation === gap.incarnation,
    );
    const touched = before.filter(
      (known) => isExact(known) && known.first <= gap.last + 1 && gap.first <= known.last + 1,
    );
    const last = before.at(-1);
    if (touched.length > 0) {
      for (const known of touched) this.#remove(known);
      this.#set(joined(gap, touched));
    } else if (last !== undefined && (last.last + 1 === gap.first || before.length >= GAPS_MAX)) {
      this.#set({ ...last, last: Math.max(last.last, gap.last), messages: last.messages + gap.messages });
    } else this.#set(gap);
  }

  /** Messages of an input's stream were removed before they were read. */
  removed({ node, facts }: NoticedBy, range: SequenceRange, noticed_at_ms: number): void {
    const { stream, incarnation } = facts;
    const messages = range.last - range.first + 1;
    this.add({ ...range, stream, incarnation, noticed_at_ms, kind: 'removed', node, messages });
  }

  /**
   * Looks for messages that have the events of removed ones again; gives a notice of each. Where a topology names a
   * subject for that only its messages are believed: who may publish to it decides who may say so.
   */
  noteResent(
    source: string,
    records: readonly SourceRecord[],
    topology?: Pick<Topology, 'resendsOn'>,
  ): readonly Notice[] {
    if (!this.#hasRemoved) return [];
    const subject = topology?.resendsOn(source);
    return records
      .filter((record) => record.hasHeaders && (subject === undefined || record.subject === subject))
      .flatMap((record) => resentRanges(record.header(RESENDS_HEADER)).map((range) => ({ record, range })))
      .flatMap(({ record: { subject: scope, sequence }, range }) => {
        const messages = this.resent(source, range);
        const detail = { source, ...range, messages };
        return messages === 0 ? [] : [{ kind: 'gap_resent', scope, sequence, detail }];
      });
  }

  /** Something is missing that was never read. */
  get #hasRemoved(): boolean {
    for (const { kind } of this.#gaps.values()) if (kind === 'removed') return true;
    return false;
  }

  /**
   * A message says that it has the events of removed ones again: these are missing no more. Of a gap that stands for
   * several nobody knows which they were, so it goes as a whole or stays. Gives how many messages that were.
   */
  resent(node: string, { first, last }: SequenceRange): number {
    let messages = 0;
    for (const gap of [...this.#gaps.values()]) {
      if (gap.kind !== 'removed' || gap.node !== node || gap.last < first || gap.first > last) continue;
      const isWhole = first <= gap.first && last >= gap.last;
      if (!isWhole && !isExact(gap)) continue;
      this.#remove(gap);
      messages += gap.messages;
      const left = [
        { first: gap.first, last: first - 1 },
        { first: last + 1, last: gap.last },
      ].filter((piece) => !isWhole && piece.first <= piece.last);
      for (const piece of left) {
        const missing = piece.last - piece.first + 1;
        messages -= missing;
        this.#set({ ...gap, ...piece, messages: missing });
      }
    }
    return messages;
  }

  /** The stream fits the position again: what was said of it does not hold any more. */
  settle(node: string): void {
    for (const gap of this.#gaps.values()) {
      if (gap.node === node && gap.kind !== 'removed') this.#remove(gap);
    }
  }

  #remove(gap: StreamGap): void {
    this.#gaps.delete(nameOf(gap));
    this.#changed.set(nameOf(gap), undefined);
  }

  #set(gap: StreamGap): void {
    this.#gaps.set(nameOf(gap), gap);
    this.#changed.set(nameOf(gap), gap);
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  flush(meta: KvTable): void {
    for (const [name, gap] of this.#changed) {
      if (gap === undefined) meta.remove(Buffer.from(name, 'latin1'));
      else meta.put(keyOf(gap), Buffer.from(JSON.stringify(gap)));
    }
    this.#changed.clear();
  }
}

/** The key as text, so that it can be the key of a map. */
const nameOf = (gap: StreamGap): string => Buffer.from(keyOf(gap)).toString('latin1');

/** Every message of its range is missing. */
export const isExact = ({ first, last, messages }: Pick<StreamGap, 'first' | 'last' | 'messages'>): boolean =>
  messages === last - first + 1;

/** A gap and those that it touches, as one: noticed when the first of them was. */
function joined(gap: StreamGap, touched: readonly StreamGap[]): StreamGap {
  const all = [gap, ...touched];
  const first = Math.min(...all.map((one) => one.first));
  const last = Math.max(...all.map((one) => one.last));
  const noticed_at_ms = Math.min(...all.map((one) => one.noticed_at_ms));
  return { ...gap, first, last, messages: last - first + 1, noticed_at_ms };
}
