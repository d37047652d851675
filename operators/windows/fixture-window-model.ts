import type { Reading } from './fixture-window.ts';
import type { Trigger } from './trigger.ts';
import type { PaneKind, WindowMode } from './window-types.ts';
import type { CumulateWindow, HoppingWindow, TimeWindow, TumblingWindow } from './windows.ts';

export interface ModelConfig {
  readonly window: TumblingWindow | HoppingWindow | CumulateWindow;
  readonly trigger: Trigger;
  readonly mode: WindowMode;
  readonly allowedLateness_ms: number;
}

/** A key's window. */
interface Pane {
  readonly key: string;
  readonly window: TimeWindow;
  readonly all: number[];
  fresh: number[];
  given: number;
  /** The last result, as it was told. */
  last: string | undefined;
}

/**
 * Aligned windows as the documentation says: each key's window is a list of ids, and everything is looked for
 * among all of them. What it tells is exactly what comes out, in order.
 */
export class WindowModel {
  readonly told: string[] = [];
  readonly late: number[] = [];
  readonly #config: ModelConfig;
  #panes: Pane[] = [];
  #watermark_ms = Number.NEGATIVE_INFINITY;

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  event({ id, key, time_ms }: Reading): void {
    const { trigger, allowedLateness_ms } = this.#config;
    const open = this.#windowsOf(time_ms).filter(
      ({ end_ms }) => end_ms > this.#watermark_ms - allowedLateness_ms,
    );
    if (open.length === 0) this.late.push(id);
    for (const window of open) {
      const pane = this.#paneOf(key, window);
      pane.all.push(id);
      pane.fresh.push(id);
      if (window.end_ms <= this.#watermark_ms) this.#give(pane, 'late');
      else if (trigger.kind === 'events' && pane.fresh.length === trigger.every_events)
        this.#give(pane, 'early');
    }
  }

  watermark(time_ms: number): void {
    const before_ms = this.#watermark_ms;
    if (time_ms <= before_ms) return;
    this.#watermark_ms = time_ms;
    const due: { readonly at_ms: number; readonly pane: Pane; readonly kind: PaneKind }[] = [];
    for (const pane of this.#panes) {
      const { start_ms, end_ms } = pane.window;
      if (end_ms > before_ms && end_ms <= time_ms) due.push({ at_ms: end_ms, pane, kind: 'onTime' });
      const turn_ms = end_ms > time_ms ? this.#lastTurn(start_ms, before_ms, time_ms) : undefined;
      if (turn_ms !== undefined) due.push({ at_ms: turn_ms, pane, kind: 'early' });
    }
    due.sort(
      (a, b) =>
        a.at_ms - b.at_ms ||
        a.pane.window.end_ms - b.pane.window.end_ms ||
        (a.pane.key < b.pane.key ? -1 : 1),
    );
    for (const { pane, kind } of due) {
      const isSaidAgain = kind === 'onTime' && this.#config.mode === 'accumulate';
      if (pane.fresh.length > 0 || isSaidAgain) this.#give(pane, kind);
    }
    this.#panes = this.#panes.filter(
      ({ window }) => window.end_ms + this.#config.allowedLateness_ms > time_ms,
    );
  }

  /** The last multiple of the interval that the watermark has passed just now. */
  #lastTurn(start_ms: number, before_ms: number, time_ms: number): number | undefined {
    const { trigger } = this.#config;
    if (trigger.kind !== 'interval') return undefined;
    let last_ms: number | undefined;
    for (let at = start_ms + trigger.every_ms; at <= time_ms; at += trigger.every_ms) {
      if (at > before_ms) last_ms = at;
    }
    return last_ms;
  }

  #windowsOf(time_ms: number): TimeWindow[] {
    const { window } = this.#config;
    const hop_ms = window.kind === 'hopping' ? window.hop_ms : window.size_ms;
    const step_ms = window.kind === 'cumulate' ? window.step_ms : window.size_ms;
    const found: TimeWindow[] = [];
    const first = Math.floor((time_ms - window.size_ms - window.offset_ms) / hop_ms);
    for (let start_ms = first * hop_ms + window.offset_ms; start_ms <= time_ms; start_ms += hop_ms) {
      for (let length_ms = step_ms; length_ms <= window.size_ms; length_ms += step_ms) {
        if (start_ms + length_ms > time_ms) found.push({ start_ms, end_ms: start_ms + length_ms });
      }
    }
    return found;
  }

  #paneOf(key: string, window: TimeWindow): Pane {
    const known = this.#panes.find(
      (pane) =>
        pane.key === key && pane.window.start_ms === window.start_ms && pane.window.end_ms === window.end_ms,
    );
    if (known !== undefined) return known;
    const pane: Pane = { key, window, all: [], fresh: [], given: 0, last: undefined };
    this.#panes.push(pane);
    return pane;
  }

  #give(pane: Pane, kind: PaneKind): void {
    const { mode } = this.#config;
    const ids = (mode === 'discard' ? pane.fresh : pane.all).toSorted((a, b) => a - b);
    const { start_ms, end_ms } = pane.window;
    const text = `${JSON.stringify(pane.key)} [${start_ms}, ${end_ms}) ${ids} ${kind} ${pane.given}`;
    if (mode === 'retract' && pane.last !== undefined) this.told.push(`- ${pane.last}`);
    this.told.push(`${mode === 'retract' ? '+ ' : ''}${text}`);
    pane.last = text;
    pane.given++;
    pane.fresh = [];
  }
}
