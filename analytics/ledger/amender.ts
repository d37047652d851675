import type { Amendment, AmendTarget, EventBatch } from '../events/index.ts';
import {
  type AmendedEvent,
  type AmendedEvents,
  CORRECTIONS_MAX,
  compareRanks,
  type EventCorrection,
  type EventWords,
  forgetContent,
  NOTHING,
  ORIGINAL,
} from './amended-events.ts';
import { CLASS, CLASS_OF } from './kinds.ts';
import type { OwnRow } from './own-row.ts';
import type { RowLookup } from './row-lookup.ts';
import { storeOwn } from './sent-event.ts';

/** What the ledger does with single events. */
export interface LedgerActs {
  /** Counts an event of a batch. */
  count(batch: EventBatch, row: number): void;
  /** Leaves an event of a batch as one that counts for nothing. */
  displaceNew(batch: EventBatch, row: number): void;
  /** Counts an event again that was taken back. */
  restore(own: Uint8Array, words: EventWords, id: Uint8Array): void;
  takeBack(own: Uint8Array, words: EventWords): void;
  /** An event of the log as it was sent; undefined where what there is without it is not known. */
  sent(own: OwnRow, words: EventWords): Uint8Array | undefined;
}

/** Why a correction is not taken. */
export interface CorrectionRefusal {
  readonly code: 'behind_retention' | 'not_correctable';
  readonly detail: string;
}

export type RefuseCorrection = (batch: EventBatch, row: number, why: CorrectionRefusal) => void;

/** The event of a batch that is being looked at, and which content of its id it is. */
interface Arriving {
  readonly batch: EventBatch;
  readonly row: number;
  readonly content: number;
}

/**
 * Corrections of events. Of each event that was corrected it keeps how it came and all corrections, so that the one that
 * counts is a function of their set: the greatest rank that is not itself taken back. Each change is an explicit
 * removal of what counted and a counting of what counts now.
 */
export class Amender {
  readonly #events: AmendedEvents;
  readonly #lookup: RowLookup;
  readonly #acts: LedgerActs;
  readonly #refuse: RefuseCorrection;

  constructor(events: AmendedEvents, lookup: RowLookup, acts: LedgerActs, refuse: RefuseCorrection) {
    this.#events = events;
    this.#lookup = lookup;
    this.#acts = acts;
    this.#refuse = refuse;
  }

  /** An event that says something of others. */
  amend(batch: EventBatch, row: number, amendment: Amendment): void {
    if (amendment.supersedes) this.#supersede(batch, row, amendment);
    else this.#retract(batch, row, amendment);
  }

  /** An event that came after a correction of it; false where it is none. */
  arrive(batch: EventBatch, row: number): boolean {
    const id0 = batch.id0[row] as number;
    if (!this.#events.mayAwait(id0)) return false;
    const words = { id0, id1: batch.id1[row] as number, id2: batch.id2[row] as number };
    const amended = this.#events.get(words);
    if (amended === undefined || amended.original !== undefined) return false;
    amended.original = originalOf(batch, row);
    this.#settle(words, amended, { batch, row, content: ORIGINAL });
    this.#events.put(words, amended, true);
    return true;
  }

  #supersede(batch: EventBatch, row: number, amendment: Amendment): void {
    const [target] = amendment.targets;
    if (target === undefined) throw new Error('what supersedes an event names it');
    batch.id0[row] = target.id0;
    batch.id1[row] = target.id1;
    batch.id2[row] = target.id2;
    const amended = this.#open(batch, row, target, amendment);
    if ('code' in amended) {
      batch.live[row] = 0;
      this.#refuse(batch, row, amended);
      return;
    }
    const wasAwaited = this.#isAwaited(target);
    const correction: EventCorrection = {
      ...rankOf(batch, row, amendment),
      ...placeOf(batch, row),
      kind: amendment.isGone ? 'gone' : amendment.erases ? 'erased' : 'superseded',
      by: { id0: 0, id1: 0, id2: 0 },
      by_id: new Uint8Array(0),
      own: amendment.isGone ? NOTHING : storeOwn(batch, row),
    };
    amended.corrections.push(correction);
    const content = amended.corrections.length - 1;
    this.#settle(target, amended, { batch, row, content });
    if (amendment.erases) forgetContent(amended, amendment.erased_payload, correction);
    this.#events.put(target, amended, wasAwaited);
  }

  #isAwaited(words: EventWords): boolean {
    const known = this.#events.get(words);
    return known !== undefined && known.original === undefined;
  }

  #retract(batch: EventBatch, row: number, amendment: Amendment): void {
    const by = {
      id0: batch.id0[row] as number,
      id1: batch.id1[row] as number,
      id2: batch.id2[row] as number,
    };
    const rank = rankOf(batch, row, amendment);
    const former = this.#events.get(by);
    const own: AmendedEvent = former ?? { ...newEvent(amendment.id), original: originalOf(batch, row) };
    own.original = originalOf(batch, row);
    own.retracts = { ...rank, targets: amendment.targets.map(({ id0, id1, id2 }) => ({ id0, id1, id2 })) };
    this.#settle(by, own, { batch, row, content: ORIGINAL }, false);
    this.#events.put(by, own, former !== undefined);
    for (const target of amendment.targets) {
      const amended = this.#open(batch, row, target, amendment);
      if ('code' in amended) {
        this.#refuse(batch, row, amended);
        continue;
      }
      const wasAwaited = this.#isAwaited(target);
      const correction: EventCorrection = {
        ...{ ...rank, ...placeOf(batch, row), kind: 'retracted' },
        ...{ by, by_id: amendment.id, own: new Uint8Array(0) },
      };
      amended.corrections.push(correction);
      // It may name itself, or what names it.
      this.#events.put(target, amended, wasAwaited);
      this.#settle(target, amended);
      this.#events.put(target, amended, amended.original === undefined);
    }
  }

  /** What is known of an event that is to be corrected. */
  #open(
    batch: EventBatch,
    row: number,
    target: AmendTarget,
    amendment: Amendment,
  ): AmendedEvent | CorrectionRefusal {
    const known = this.#events.get(target);
    if (known !== undefined) {
      // What is left of an erased one takes its place.
      if (known.corrections.length < CORRECTIONS_MAX || amendment.erases) return known;
      return { code: 'not_correctable', detail: `The event has ${CORRECTIONS_MAX} corrections already` };
    }
    const scope = batch.own.scope[row] as number;
    const found = this.#candidates(batch, target, this.#lookup.events(scope, target.event));
    if (found.length > 1) {
      return { code: 'not_correctable', detail: 'Two events cannot be told apart: send it under a new id' };
    }
    const [own] = found;
    if (own === undefined) return this.#unheard(batch, row, target);
    const sent = this.#acts.sent(own, target);
    if (sent === undefined) {
      const detail = 'An order with too many events to be said anew, or a rate that an earlier version kept';
      return { code: 'not_correctable', detail };
    }
    return { ...newEvent(target.id), original: { own: sent, sequence: own.sequence, part: own.part } };
  }

  #candidates(batch: EventBatch, { id0, id1, id2 }: AmendTarget, rows: readonly OwnRow[]): readonly OwnRow[] {
    const { known } = batch;
    if (known === undefined) return rows;
    const second = ({ time_ms }: OwnRow): number => Math.floor(time_ms / 1_000);
    const same = rows.filter((own) => known.has(id0, id1, id2, second(own)));
    if (same.length < 2) return same;
    const time_s = known.timeOf(id0, id1, id2);
    return time_s === undefined ? same : same.filter((own) => second(own) === time_s);
  }

  /** No row is there: it comes later, or its row is forgotten. */
  #unheard(batch: EventBatch, row: number, target: AmendTarget): AmendedEvent | CorrectionRefusal {
    const { id0, id1, id2 } = target;
    const time_s = Math.floor((batch.own.time_ms[row] as number) / 1_000);
    const isKnown = !isNewHere(batch, target) && batch.known?.has(id0, id1, id2, time_s) === true;
    if (isKnown && !isBehind(batch, row, target))
      return { code: 'behind_retention', detail: 'The event that it corrects is no longer kept' };
    return newEvent(target.id);
  }

  /** Which content of an event counts. */
  #effective({ corrections, retracts }: AmendedEvent): number {
    let best = ORIGINAL;
    for (const [index, correction] of corrections.entries()) {
      if (correction.kind === 'gone') continue;
      if (best !== ORIGINAL && !takesPlaceOf(correction, corrections[best] as EventCorrection)) continue;
      if (correction.kind === 'retracted') {
        // Of two retractions that name each other the newer one holds.
        if (retracts !== undefined && compareRanks(correction, retracts) <= 0) continue;
        const by = this.#events.get(correction.by);
        if (by !== undefined && this.#effective(by) !== ORIGINAL) continue;
      }
      best = index;
    }
    return best;
  }

  #settle(words: EventWords, amended: AmendedEvent, arriving?: Arriving, spreads = true): void {
    const former = amended.current;
    const current = this.#effective(amended);
    const isNew = (content: number): boolean => arriving?.content === content;
    if (current !== former && !isNew(former)) {
      const own = contentOf(amended, former);
      if (own !== undefined) this.#acts.takeBack(own, words);
    }
    amended.current = current;
    if (arriving !== undefined) {
      if (current === arriving.content) this.#acts.count(arriving.batch, arriving.row);
      else this.#acts.displaceNew(arriving.batch, arriving.row);
    }
    if (current !== former && !isNew(current)) {
      const own = contentOf(amended, current);
      if (own !== undefined) this.#acts.restore(own, words, amended.id);
    }
    const changes = (current === ORIGINAL) !== (former === ORIGINAL);
    if (!spreads || !changes || amended.retracts === undefined) return;
    this.#events.put(words, amended, amended.original === undefined);
    for (const target of amended.retracts.targets) {
      const other = this.#events.get(target);
      if (other === undefined) continue;
      this.#settle(target, other);
      this.#events.put(target, other, other.original === undefined);
    }
  }
}

function newEvent(id: Uint8Array): AmendedEvent {
  return { id, original: undefined, retracts: undefined, corrections: [], current: ORIGINAL };
}

function contentOf({ original, corrections }: AmendedEvent, content: number): Uint8Array | undefined {
  if (content === ORIGINAL)
    return original === undefined || original.own.length === 0 ? undefined : original.own;
  const correction = corrections[content];
  return correction === undefined || correction.kind === 'retracted' ? undefined : correction.own;
}

const placeOf = ({ own }: EventBatch, row: number) => ({
  sequence: own.sequence[row] as number,
  part: own.part[row] as number,
});

function originalOf(batch: EventBatch, row: number): AmendedEvent['original'] {
  return { own: storeOwn(batch, row), ...placeOf(batch, row) };
}

/** What is left of a correction has its rank, and comes behind it. */
function takesPlaceOf(correction: EventCorrection, best: EventCorrection): boolean {
  const order = compareRanks(correction, best);
  return order > 0 || (order === 0 && correction.kind === 'erased');
}

const rankOf = (batch: EventBatch, row: number, { version, isGone, erased_payload }: Amendment) => ({
  version,
  time_ms: batch.own.time_ms[row] as number,
  // A correction or retraction of which something was erased stays the one that it was.
  payload: ((isGone ? undefined : erased_payload) ?? (batch.payload[row] as number)) >>> 0,
});

/** Whether an id was not known before the batch, in which an event says of it that it is erased. */
function isNewHere({ amendments }: EventBatch, { id0, id1, id2 }: AmendTarget): boolean {
  return amendments.some(({ targets }) =>
    targets.some(
      (other) => other.isNew === true && other.id0 === id0 && other.id1 === id1 && other.id2 === id2,
    ),
  );
}

/** Whether the event itself comes behind a row of the batch. */
function isBehind(batch: EventBatch, row: number, { id0, id1, id2 }: AmendTarget): boolean {
  for (let next = row + 1; next < batch.length; next++) {
    if (
      batch.live[next] === 1 &&
      batch.id0[next] === id0 &&
      batch.id1[next] === id1 &&
      batch.id2[next] === id2
    )
      return true;
  }
  return false;
}

/** Whether an order is asked what an event of it was. */
export function isOfOrder({ kind }: OwnRow): boolean {
  const of = CLASS_OF[kind + 1];
  return of === CLASS.version || of === CLASS.dependent;
}
