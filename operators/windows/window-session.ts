import type { ByteReader, ByteWriter, Codec } from '../../engine/index.ts';
import type { Taken } from '../core/index.ts';
import { KeyedWindows } from './window-keyed.ts';
import {
  firePane,
  logicalPane,
  newPanedRow,
  type PanedRow,
  panedRowCodec,
  type RenewBytes,
} from './window-pane.ts';
import {
  byKey,
  isClosed,
  type PaneKind,
  type WindowMode,
  type WindowOutput,
  type WindowResult,
} from './window-types.ts';
import type { WakingRow } from './window-wakes.ts';
import type { Windower } from './windower.ts';
import type { SessionWindow, TimeWindow } from './windows.ts';

interface Session extends PanedRow {
  /** The first event's time. */
  start_ms: number;
  /** The last event's time and the gap. */
  end_ms: number;
}

/** What is kept of a key. */
export interface SessionRow extends WakingRow {
  /** Those that may still change, apart by at least the gap and sorted. */
  sessions: Session[];
  /** No closed session ends after it, forgotten ones included: an event before it might belong to one. */
  closed_ms: number;
}

export function sessionRowCodec(accumulator: Codec<unknown>, renew?: RenewBytes): Codec<SessionRow> {
  const paned = panedRowCodec(accumulator, renew);
  return {
    write: (writer: ByteWriter, { sessions, wake_ms, closed_ms }) => {
      writer.f64(wake_ms).varint(sessions.length);
      for (const session of sessions) {
        writer.f64(session.start_ms).f64(session.end_ms);
        paned.write(writer, session);
      }
      writer.f64(closed_ms);
    },
    read: (reader: ByteReader) => {
      const row: SessionRow = { ...newRow(), wake_ms: reader.f64() };
      for (let left = reader.varint(); left > 0; left--) {
        const start_ms = reader.f64();
        const end_ms = reader.f64();
        row.sessions.push({ start_ms, end_ms, ...paned.read(reader) });
      }
      // Rows that were written before it was kept end here.
      if (reader.remaining > 0) row.closed_ms = reader.f64();
      return row;
    },
  };
}

function newRow(): SessionRow {
  return { wake_ms: Number.POSITIVE_INFINITY, sessions: [], closed_ms: Number.NEGATIVE_INFINITY };
}

/** When it is looked at, and how often its sessions have fired, is a matter of the way. */
export function logicalSessions({ sessions }: SessionRow, mode: WindowMode): SessionRow {
  return { ...newRow(), sessions: sessions.map((session) => logicalPane(session, mode)) };
}

/**
 * Sessions: events of a key less than a gap apart. One row a key with its open sessions. An event between two
 * sessions merges them. What was given of a session that has grown or merged since is taken back before its next
 * result, other than with `discard`, where results add up.
 *
 * A closed session stays as it was given: an event less than a gap from it is late, also where a session of that
 * event alone would still be open. Else the two would overlap.
 */
export class SessionWindows<E> extends KeyedWindows<E, SessionWindow, SessionRow> implements Windower<E> {
  add(event: E, time_ms: number, results: WindowResult<unknown>[]): Taken {
    const { keyOf, max_open_per_key } = this.plan;
    const { gap_ms } = this.plan.window;
    const openAfter_ms = this.control.closed_ms;
    const key = keyOf(event);
    const row = this.rows.get(key) ?? newRow();
    // What is forgotten had ended a gap before.
    if (row.sessions.length === 0) row.closed_ms = Math.max(row.closed_ms, openAfter_ms - gap_ms);
    const touched = touchedBy(row.sessions, time_ms, gap_ms);
    const isNew = touched.length === 0;
    if (time_ms < row.closed_ms || (isNew && isClosed(time_ms + gap_ms, openAfter_ms))) return 'late';
    if (isNew && row.sessions.length >= max_open_per_key) return 'overflow';
    const session = this.#sessionOf(row, touched, time_ms);
    this.#add(key, session, event, time_ms, results);
    this.wakes.at(this.#wakeOf(session), key, row);
    this.rows.set(key, row);
    return 'taken';
  }

  advance(before_ms: number, time_ms: number, emit: WindowOutput<E>['emit']): void {
    const fired: {
      readonly at_ms: number;
      readonly key: string;
      readonly results: WindowResult<unknown>[];
    }[] = [];
    for (const [key, row] of this.wakes.take(time_ms)) {
      for (const session of row.sessions) {
        const firing = this.#firingOf(session, before_ms, time_ms);
        if (firing === undefined) continue;
        const results: WindowResult<unknown>[] = [];
        this.#fire(key, session, firing.kind, results);
        fired.push({ at_ms: firing.at_ms, key, results });
      }
      this.#close(row, time_ms);
      const until_ms = row.closed_ms + this.plan.window.gap_ms + this.plan.allowedLateness_ms;
      if (row.sessions.length === 0 && until_ms <= time_ms) {
        this.rows.delete(key);
        continue;
      }
      for (const session of row.sessions) this.wakes.at(this.#wakeOf(session), key, row);
      if (row.sessions.length === 0) this.wakes.at(until_ms, key, row);
      this.rows.set(key, row);
    }
    fired.sort((a, b) => a.at_ms - b.at_ms || byKey([a.key, a], [b.key, b]));
    emit(fired.flatMap(({ results }) => results));
  }

  /** Lets go of the sessions that take no more events. */
  #close(row: SessionRow, time_ms: number): void {
    const { allowedLateness_ms } = this.plan;
    const open: Session[] = [];
    for (const session of row.sessions) {
      if (session.end_ms + allowedLateness_ms > time_ms) open.push(session);
      else row.closed_ms = Math.max(row.closed_ms, session.end_ms);
    }
    row.sessions = open;
  }

  /** The session that an event belongs to: a new one, one that grows, or one merged from several. */
  #sessionOf(row: SessionRow, touched: readonly Session[], time_ms: number): Session {
    const end_ms = time_ms + this.plan.window.gap_ms;
    const [first, ...others] = touched;
    if (first === undefined) {
      const session: Session = { start_ms: time_ms, end_ms, ...newPanedRow() };
      const at = row.sessions.findIndex(({ start_ms }) => start_ms > time_ms);
      row.sessions.splice(at < 0 ? row.sessions.length : at, 0, session);
      return session;
    }
    for (const other of others) this.#merge(first, other);
    if (others.length > 0) row.sessions = row.sessions.filter((session) => !others.includes(session));
    first.start_ms = Math.min(first.start_ms, time_ms);
    first.end_ms = Math.max(first.end_ms, end_ms);
    return first;
  }

  #merge(into: Session, other: Session): void {
    const { aggregate } = this.plan;
    into.end_ms = Math.max(into.end_ms, other.end_ms);
    if (into.acc === undefined) into.acc = other.acc;
    else if (other.acc !== undefined) into.acc = aggregate.merge(into.acc, other.acc);
    into.given = Math.max(into.given, other.given);
    into.fresh += other.fresh;
    into.standing = [...into.standing, ...other.standing].sort(
      (a, b) => a.window.start_ms - b.window.start_ms || a.pane.index - b.pane.index,
    );
  }

  #add(key: string, session: Session, event: E, time_ms: number, results: WindowResult<unknown>[]): void {
    const { aggregate, trigger } = this.plan;
    const acc = session.acc === undefined ? aggregate.init() : session.acc;
    session.acc = aggregate.add(acc, event, time_ms);
    session.fresh++;
    const isLate = session.end_ms <= this.control.watermark_ms;
    if (isLate || (trigger.kind === 'events' && session.fresh >= trigger.every_events)) {
      this.#fire(key, session, isLate ? 'late' : 'early', results);
    }
  }

  #fire(key: string, session: Session, kind: PaneKind, results: WindowResult<unknown>[]): void {
    // The usual case: what goes at its end need not know what it has given.
    const isLast = session.end_ms + this.plan.allowedLateness_ms <= this.control.watermark_ms;
    const mayMove = kind !== 'onTime' || !isLast;
    firePane(this.plan, { key, window: windowOf(session), row: session, mayMove }, kind, results);
  }

  #firingOf(
    { start_ms, end_ms }: Session,
    before_ms: number,
    time_ms: number,
  ): { readonly at_ms: number; readonly kind: 'early' | 'onTime' } | undefined {
    if (end_ms <= before_ms) return undefined;
    if (end_ms <= time_ms) return { at_ms: end_ms, kind: 'onTime' };
    const { trigger } = this.plan;
    if (trigger.kind !== 'interval' || time_ms <= start_ms) return undefined;
    const { every_ms } = trigger;
    const turn = Math.floor((time_ms - start_ms) / every_ms);
    const turnBefore = Math.floor((Math.max(before_ms, start_ms) - start_ms) / every_ms);
    return turn > turnBefore ? { at_ms: start_ms + turn * every_ms, kind: 'early' } : undefined;
  }

  /** When the watermark next matters to the session. */
  #wakeOf({ start_ms, end_ms }: Session): number {
    const watermark_ms = this.control.watermark_ms;
    if (end_ms <= watermark_ms) return end_ms + this.plan.allowedLateness_ms;
    const { trigger } = this.plan;
    if (trigger.kind !== 'interval') return end_ms;
    const turn = Math.floor((Math.max(watermark_ms, start_ms) - start_ms) / trigger.every_ms) + 1;
    return Math.min(end_ms, start_ms + turn * trigger.every_ms);
  }
}

/** The sessions that an event at a time belongs to. */
function touchedBy(sessions: readonly Session[], time_ms: number, gap_ms: number): readonly Session[] {
  const isTouched = ({ start_ms, end_ms }: Session): boolean =>
    end_ms > time_ms && start_ms < time_ms + gap_ms;
  // The usual case without a copy: the key has one session and the event is in it.
  const [only] = sessions;
  return sessions.length === 1 && only !== undefined && isTouched(only)
    ? sessions
    : sessions.filter(isTouched);
}

function windowOf({ start_ms, end_ms }: Session): TimeWindow {
  return { start_ms, end_ms };
}
