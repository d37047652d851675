import type { Detector, Verdict } from '../detect/index.ts';
import type { WantedCube } from '../views/cubes/index.ts';
import type { WindowGrid } from '../windows/index.ts';

/** Whether a window is below or above what was expected. */
export type Direction = 'low' | 'high';

export type Severity = 'low' | 'medium' | 'high';

/** One closed window of a group, and what the detector says of it. */
export interface JudgedWindow {
  readonly index: number;
  readonly value: number;
  readonly verdict: Verdict;
}

/** A stretch of windows that are not normal, in one direction: one anomaly. Plain data. */
export interface Episode {
  /** Index of the first window. */
  readonly start: number;
  readonly direction: Direction;
  /** Index of the last window that is not normal. */
  readonly last: number;
  /** Of the first window. */
  readonly value: number;
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  readonly score: number;
  readonly severity: Severity;
}

/** A group by the texts of its dimensions. */
export interface GroupTexts {
  /** In the order of the rule's dimensions; '' is none. */
  readonly values: readonly string[];
  /** Of a rule by currency; undefined of others. */
  readonly currency: string | undefined;
}

/** A user's word that a window was normal: windows of the group that are no stranger do not alert for a while. */
export interface NormalMark {
  /** The `groupKey` of the group. */
  readonly group: string;
  /** Of the window. */
  readonly index: number;
  readonly direction: Direction;
  readonly score: number;
  /** The first window that it says nothing of. */
  readonly until: number;
}

/** What an operator needs to know of a rule. Everything in it is pure, and a function of definitions. */
export interface WatchedRule {
  /** Of its definition. */
  readonly id: string;
  readonly scope: string;
  readonly metric: string;
  /** Another text where its series would come out otherwise: they are then begun anew. */
  readonly version: string;
  readonly cube: WantedCube;
  /** Amounts are watched by currency. */
  readonly byCurrency: boolean;
  readonly grid: WindowGrid;
  /** The first window that series learn from. */
  readonly first: number;
  /** Windows that end at or before it do not alert: they are history. */
  readonly alertFrom_ms: number;
  readonly detector: Detector;
  /** Normal windows that belong to an anomaly where it goes on behind them; 0: the first one ends it. Default: 3. */
  readonly calm_windows?: number;
  /** Groups that are judged. */
  readonly max_groups: number;
  /** Width of the buckets in which the scope's events are counted, to tell low from silent. */
  readonly pulse_ms: number;
  /** The value of a window from the sums of its cube; null: there is none. */
  valueOf(sums: Float64Array): number | null;
  /** The severity of a window that is not normal; undefined where the rule does not care. */
  severityOf(window: JudgedWindow, direction: Direction): Severity | undefined;
  /** What users said of windows of it: what they called no anomaly is normal for a while. */
  readonly marks: readonly NormalMark[];
  /** Says an anomaly to people. */
  textOf(group: GroupTexts, episode: Episode): string;
  /** Members of the message that only the rule knows. */
  readonly shown: Readonly<Record<string, unknown>>;
}

/** The form of a group in which marks of users name it. */
export const groupKey = ({ values, currency }: GroupTexts): string =>
  JSON.stringify(currency === undefined ? values : [...values, currency]);
