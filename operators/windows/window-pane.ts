import { ByteReader, ByteWriter, type Codec } from '../../engine/index.ts';
import {
  type Pane,
  type PaneKind,
  paneCodec,
  resultOf,
  type WindowMode,
  type WindowPlan,
  type WindowResult,
} from './window-types.ts';
import type { TimeWindow } from './windows.ts';

/** What is known of a key's window that may fire many times. */
export interface PanedRow {
  /** Undefined in the mode `discard` when there is nothing new. */
  acc: unknown;
  /** Results given so far. */
  given: number;
  /** Events since the last result. */
  fresh: number;
  /**
   * What has to be taken back with the next result; several after sessions merged. In the mode `retract`, and of
   * windows whose bounds may change in the mode `accumulate`.
   */
  standing: readonly StandingResult[];
}

/** A result that was given and not taken back: the bytes of its accumulator. */
export interface StandingResult {
  readonly window: TimeWindow;
  readonly pane: Pane;
  readonly bytes: Uint8Array;
}

/** What becomes of the bytes of an accumulator that was given, when they are read. */
export type RenewBytes = (bytes: Uint8Array) => Uint8Array;

export function panedRowCodec(
  accumulator: Codec<unknown>,
  renew: RenewBytes = (bytes) => Uint8Array.from(bytes),
): Codec<PanedRow> {
  return {
    write: (writer: ByteWriter, { acc, given, fresh, standing }) => {
      writer
        .u8(acc === undefined ? 0 : 1)
        .varint(given)
        .varint(fresh)
        .varint(standing.length);
      if (acc !== undefined) accumulator.write(writer, acc);
      for (const { window, pane, bytes } of standing) {
        writer.f64(window.start_ms).f64(window.end_ms);
        paneCodec.write(writer, pane);
        writer.varint(bytes.length).bytes(bytes);
      }
    },
    read: (reader: ByteReader) => {
      const hasAcc = reader.u8() === 1;
      const given = reader.varint();
      const fresh = reader.varint();
      const results = reader.varint();
      const acc = hasAcc ? accumulator.read(reader) : undefined;
      const standing: StandingResult[] = [];
      for (let left = results; left > 0; left--) {
        const window = { start_ms: reader.f64(), end_ms: reader.f64() };
        const pane = paneCodec.read(reader);
        standing.push({ window, pane, bytes: renew(reader.bytes(reader.varint())) });
      }
      return { acc, given, fresh, standing };
    },
  };
}

/** What the set of events determines of a row: not how often it has fired, nor in `discard` what came since. */
export function logicalPane<R extends PanedRow>(row: R, mode: WindowMode): R {
  return { ...row, acc: mode === 'discard' ? undefined : row.acc, given: 0, fresh: 0, standing: [] };
}

export function newPanedRow(): PanedRow {
  return { acc: undefined, given: 0, fresh: 0, standing: [] };
}

/** A window that may fire many times. */
export interface FiringPane {
  readonly key: string;
  readonly window: TimeWindow;
  readonly row: PanedRow;
  /** It may have other bounds at its next result: a reader who keeps the newest by bounds has to be told. */
  readonly mayMove?: boolean;
}

/** Gives a row's result as the mode says, and notes that it was given. Whether it has anything to say. */
export function firePane<E>(
  { aggregate, mode }: Pick<WindowPlan<E>, 'aggregate' | 'mode'>,
  { key, window, row, mayMove = false }: FiringPane,
  kind: PaneKind,
  results: WindowResult<unknown>[],
): boolean {
  // A result on time says that the window is complete: with `accumulate` also when it is the same again.
  if (row.fresh === 0 && (mode !== 'accumulate' || kind !== 'onTime')) return false;
  const pane = { kind, index: row.given };
  row.given++;
  row.fresh = 0;
  for (const given of row.standing) {
    // With `accumulate` the next result of the same bounds takes the place of the last one by itself.
    if (mode === 'accumulate' && isSame(given.window, window)) continue;
    const before = aggregate.codec.read(new ByteReader(given.bytes));
    results.push(resultOf(key, given.window, aggregate.result(before), given.pane, 'retract'));
  }
  if (mode === 'retract' || (mode === 'accumulate' && mayMove)) {
    const writer = new ByteWriter();
    aggregate.codec.write(writer, row.acc);
    row.standing = [{ window, pane, bytes: writer.copy() }];
  } else if (row.standing.length > 0) row.standing = [];
  const change = mode === 'retract' ? 'insert' : undefined;
  results.push(resultOf(key, window, aggregate.result(row.acc), pane, change));
  if (mode === 'discard') row.acc = undefined;
  return true;
}

function isSame(a: TimeWindow, b: TimeWindow): boolean {
  return a.start_ms === b.start_ms && a.end_ms === b.end_ms;
}
