/** How a series is judged: see `docs/anomalies.md`. */
export type DetectorMethod = 'auto' | 'zscore' | 'seasonal_esd' | 'prophet' | 'threshold';

/** Of the method `threshold`: what a value may not be. At least one of them. */
export interface ThresholdBounds {
  readonly above?: number;
  readonly below?: number;
  /** Above 0 a rise by more than that, below 0 a fall. */
  readonly change_percent?: number;
  /** What it is a change of: the last window before that has a value (default), or the one a day or a week before. */
  readonly against?: 'window' | 'day' | 'week';
}

/** One closed window of a series. */
export interface Point {
  /** Start of the window, ms since 1970; each point's is after the one before. Windows may be left out: a gap. */
  readonly start_ms: number;
  /** The window's value, finite; null where there is none (a mean of nothing). A count of nothing is 0, not null. */
  readonly value: number | null;
}

/** What a detector says of one window. */
export interface Verdict {
  /**
   * −log10 of the share of normal windows that deviate as much: 2 is one in a hundred. 0..12; 0 for a gap
   * and while the detector knows too little of the series.
   */
  readonly score: number;
  /** What the window was expected to be, before its value was seen; null while too little is known. */
  readonly expected: number | null;
  /** Bounds of what counts as normal at the configured sensitivity, by the value alone; null as `expected`. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** The score reaches the threshold, and no anomaly of the same series was told just before (the rest). */
  readonly is_anomaly: boolean;
}

/** What all methods take. */
export interface DetectorConfig {
  readonly method: DetectorMethod;
  /** At most `1 − sensitivity` of normal windows are flagged. Above 0, at most 0.999999. */
  readonly sensitivity: number;
  /** Length of a window, whole ms. */
  readonly window_ms: number;
  /**
   * Local time − UTC at an instant, ms, so that a day's course follows daylight saving. By default 0. It must
   * give the same for the same instant each time.
   */
  readonly utcOffsetOf_ms?: (time_ms: number) => number;
  /** Of the method `threshold`. */
  readonly bounds?: ThresholdBounds;
}

/**
 * A model that is fitted beside the stream. What it is made of, and from which window on it is used, is a matter of the
 * points alone: so it does not matter when, how fast and in which thread it is made.
 */
export interface BackgroundFit {
  /** Names the fit that this state waits for, among those of its series; undefined: it waits for none. */
  dueOf(state: Uint8Array): number | undefined;
  /** What that fit is made of: bytes for `fitOfRequest`, in any thread. The same until it takes effect. */
  requestOf(state: Uint8Array): Uint8Array | undefined;
  /**
   * How many of the next windows at least, with a value or without, `update` judges without a fit that is not made;
   * `isMade`: the one that is due is.
   */
  windowsLeft(state: Uint8Array, isMade: boolean): number;
}

/**
 * Judges series that it does not hold: the state of each, all of one size, are bytes that the caller keeps (a row of
 * a table). One detector serves every series of a rule. It is deterministic: the same points give the same bytes and
 * verdicts in every process, whatever else it was used for between them. It is synchronous, and not reentrant.
 */
export interface Detector {
  readonly method: DetectorMethod;
  /** The score at which a window is flagged: −log10(1 − sensitivity). `score >= threshold` holds through a rest too. */
  readonly threshold: number;
  /** Size of a series' state. */
  readonly state_bytes: number;
  /** The state of a series without a point. The key of (rule, group) seeds what is drawn at random. */
  start(key: string): Uint8Array;
  /**
   * Judges the point by what is known, then learns it: `state` becomes the state behind it. Throws
   * `detector_state_mismatch` for bytes of another method or version (start anew, from history), and
   * `point_out_of_order` for a window at or before the last one (see `rescore`); the state is then as it was.
   * `fitted` is what `fitOfRequest` made of the fit that is due; without it, it is made at once when it is needed.
   */
  update(state: Uint8Array, point: Point, fitted?: Uint8Array): Verdict;
  /** Only where a model is fitted beside the stream: `prophet`. */
  readonly background?: BackgroundFit;
  /** The verdict that `update` would give, with `before` left as it is: for a window that was corrected, or a trial. */
  rescore(before: Uint8Array, point: Point, fitted?: Uint8Array): Verdict;
}
