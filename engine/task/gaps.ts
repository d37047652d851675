import { ByteWriter } from '../base/index.ts';
import type { SequenceRange, StreamFacts } from '../edges/index.ts';
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

  add(gap: StreamGap): void {
    const before = [...this.#gaps.values()].filter(
      ({ node, kind, incarnation }) =>
        node === gap.node && kind === gap.kind && incarnation === gap.incarnation,
    );
    const last = before.at(-1);
    const isNext = last !== undefined && last.last + 1 === gap.first;
    if (last !== undefined && (isNext || before.length >= GAPS_MAX)) {
      this.#set({ ...last, last: Math.max(last.last, gap.last), messages: last.messages + gap.messages });
    } else this.#set(gap);
  }

  /** Messages of an input's stream were removed before they were read. */
  removed({ node, facts }: NoticedBy, range: SequenceRange, noticed_at_ms: number): void {
    const { stream, incarnation } = facts;
    const messages = range.last - range.first + 1;
    this.add({ ...range, stream, incarnation, noticed_at_ms, kind: 'removed', node, messages });
  }

  /** The stream fits the position again: what was said of it does not hold any more. */
  settle(node: string): void {
    for (const [name, gap] of this.#gaps) {
      if (gap.node !== node || gap.kind === 'removed') continue;
      this.#gaps.delete(name);
      this.#changed.set(name, undefined);
    }
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
