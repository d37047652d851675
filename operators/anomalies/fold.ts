import type { Verdict } from '../detect/index.ts';
import type { SeriesState } from './series-rows.ts';
import type { Direction, Episode, JudgedWindow, NormalMark, Severity, WatchedRule } from './watched-rule.ts';

/** Normal windows that belong to an anomaly, where another one that is not comes behind them. */
export const CALM_WINDOWS = 3;
/** Share of the threshold at which an anomaly goes on: detectors get used to what lasts. */
const STAYING_SHARE = 0.5;

/** What came of the windows of one series. */
export interface Folded {
  readonly series: SeriesState;
  /** Those that were open at some time of them, each as it was last; by their first windows. */
  readonly episodes: readonly { readonly episode: Episode; readonly isEnded: boolean }[];
}

/** One series of a rule, window by window: the detector's verdicts made anomalies. */
export class Fold {
  readonly #rule: WatchedRule;
  readonly #marks: readonly NormalMark[];
  readonly #first: number;
  readonly #state: Uint8Array;
  #episode: Episode | undefined;
  #model: Uint8Array | undefined;
  readonly #ended: Episode[] = [];

  /**
   * `group` is its `groupKey`; `series` what is known before the next window; `model` the fit that its detector waits
   * for, where that is made.
   */
  constructor(rule: WatchedRule, group: string, series: SeriesState, model?: Uint8Array) {
    this.#rule = rule;
    this.#model = model;
    this.#marks = rule.marks.filter((mark) => mark.group === group);
    this.#first = series.first;
    this.#state = series.state;
    this.#episode = series.episode;
  }

  /** As it is before the next window. */
  get series(): SeriesState {
    return { first: this.#first, state: this.#state, episode: this.#episode };
  }

  /** Judges a window; `value` null: nothing is known of it. */
  next(index: number, value: number | null): Verdict {
    const { detector, grid, calm_windows = CALM_WINDOWS } = this.#rule;
    const verdict = detector.update(this.#state, { start_ms: grid.startOf(index), value }, this.#model);
    // Of one fit: the next one that is due is another.
    if (this.#model !== undefined && detector.background?.dueOf(this.#state) === undefined)
      this.#model = undefined;
    const open = this.#episode;
    if (open !== undefined && calm_windows > 0 && index - open.last > calm_windows) this.#end(open);
    if (value !== null && verdict.expected !== null) this.#take({ index, value, verdict }, verdict.expected);
    const running = this.#episode;
    const isOver = calm_windows === 0 && value !== null && running !== undefined && running.last < index;
    if (isOver) this.#end(running);
    return verdict;
  }

  #take(window: JudgedWindow, expected: number): void {
    const { index, value, verdict } = window;
    const { detector } = this.#rule;
    const direction: Direction = value < expected ? 'low' : 'high';
    const running = this.#episode;
    const goesOn = running !== undefined && running.direction === direction;
    const least = goesOn ? detector.threshold * STAYING_SHARE : detector.threshold;
    if (verdict.score < least || this.#isMarkedNormal(index, direction, verdict.score)) return;
    const severity = this.#rule.severityOf(window, direction);
    if (severity === undefined) return;
    if (goesOn) {
      this.#episode = { ...running, last: index, severity: worse(running.severity, severity) };
      return;
    }
    // A detector rests after what it flagged: what it learns again is not news.
    if (!verdict.is_anomaly) return;
    if (running !== undefined) this.#end(running);
    const { score } = verdict;
    const [lower, upper] = [verdict.lower ?? expected, verdict.upper ?? expected];
    this.#episode = { start: index, last: index, direction, value, expected, lower, upper, score, severity };
  }

  #isMarkedNormal(index: number, direction: Direction, score: number): boolean {
    return this.#marks.some(
      (mark) =>
        mark.direction === direction && index >= mark.index && index < mark.until && score <= mark.score,
    );
  }

  #end(episode: Episode): void {
    this.#ended.push(episode);
    this.#episode = undefined;
  }

  get folded(): Folded {
    const open = this.#episode;
    const ended = this.#ended.map((episode) => ({ episode, isEnded: true }));
    return {
      series: this.series,
      episodes: open === undefined ? ended : [...ended, { episode: open, isEnded: false }],
    };
  }
}

const RANK = { low: 0, medium: 1, high: 2 } as const;

function worse(a: Severity, b: Severity): Severity {
  return RANK[a] >= RANK[b] ? a : b;
}
