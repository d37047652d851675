import type { Dictionary, KvTable, KvView } from '../../engine/index.ts';
import { NEVER_MS } from '../views/backfill/index.ts';
import type { CubeInfo } from '../views/cubes/index.ts';
import type { AnomalyRecord } from './anomaly-rows.ts';
import { Fold, type Folded } from './fold.ts';
import { type FitsContext, RuleFits } from './rule-fits.ts';
import { type RunProgress, readRunProgress, type Stretch, writeRunProgress } from './run-progress.ts';
import { SeriesRows, type SeriesSnapshot, type SeriesState } from './series-rows.ts';
import { SILENCE_REACH_MS, type Silence } from './silence.ts';
import { SilentWindows } from './silent-windows.ts';
import { foundAnomaly, type ToldAnomalies } from './told-anomalies.ts';
import { type GroupTexts, groupKey, type NormalMark, type WatchedRule } from './watched-rule.ts';
import { WindowSums } from './window-sums.ts';

/** Windows that are judged together, where there are few groups. */
const MAX_CHUNK_WINDOWS = 512;
/** Groups of a rule that are judged again in a commit, where each may need fits that are made in it. */
const MAX_FITTED_GROUPS = 4;
/** Windows that a group is judged again from its beginning, at most. */
const MAX_AGAIN_WINDOWS = 16_384;

export interface RunTables {
  readonly cells: KvView;
  readonly series: KvTable;
  readonly snapshots: KvTable;
  readonly progress: KvTable;
  readonly silent: KvTable;
}

export interface RunContext {
  readonly tables: RunTables;
  readonly told: ToldAnomalies;
  readonly dictionary: () => Dictionary;
  /** Which of the windows are silent; undefined while that cannot be told. */
  readonly silenceOf: (rule: WatchedRule, from: number, to: number) => Silence | undefined;
  /** Asks for places of so many series; gives those that are free, and takes them. */
  readonly take: (rule: WatchedRule, wanted: number) => number;
  readonly judged: (windows: number) => void;
  /** A window was corrected that closed too long ago for its group to be judged again. */
  readonly frozen: () => void;
  /** Where models are fitted beside the task; undefined: in it, as they are needed. */
  readonly fits: FitsContext | undefined;
}

/** One rule at work: judges windows as they close, and again when they are corrected. */
export class RuleRun {
  readonly rule: WatchedRule;
  readonly slot: number;
  /** The first window that is not judged; undefined: its history is not there yet. */
  next: number | undefined;
  readonly #context: RunContext;
  readonly #rows: SeriesRows;
  readonly #silent: SilentWindows;
  /** The first window that was corrected, by group. */
  readonly #corrected = new Map<string, number>();
  #unheard: Stretch | undefined;
  readonly #fits: RuleFits | undefined;
  #groups = 0;

  constructor(context: RunContext, rule: WatchedRule, slot: number) {
    this.rule = rule;
    this.slot = slot;
    this.#context = context;
    const { tables } = context;
    this.#rows = new SeriesRows(tables, slot);
    this.#silent = new SilentWindows(tables.silent, context.told, rule, slot);
    const { background } = rule.detector;
    if (context.fits !== undefined && background !== undefined)
      this.#fits = new RuleFits(context.fits, background);
    const stored = readRunProgress(tables.progress, slot);
    if (stored === undefined || stored.version !== rule.version) return;
    this.next = stored.next;
    // What a commit has left for later ones.
    for (const [key, index] of stored.corrected ?? []) this.#corrected.set(key, index);
    this.#unheard = stored.unheard;
    for (const [key] of this.#rows.all()) {
      this.#groups++;
      this.#followMarks(key, stored.marks);
    }
    context.take(rule, this.#groups);
  }

  /** Of the rules of a scope, one says when its events stop. */
  tellSilence(): void {
    this.#silent.isTold = true;
  }

  get groups(): number {
    return this.#groups;
  }

  get hasCorrections(): boolean {
    return this.#corrected.size > 0;
  }

  /** Fits that its windows wait for, or will. */
  get openFits(): number {
    return this.#fits?.open ?? 0;
  }

  /** It is not at work any more. */
  end(): void {
    this.#fits?.forgetAll();
  }

  /** The end of the first window that is not judged, ms; a rule that waits for a fit is woken by it. */
  get due_ms(): number {
    return this.next === undefined || this.#fits?.isWaiting === true
      ? Number.POSITIVE_INFINITY
      : this.rule.grid.startOf(this.next + 1);
  }

  /** Marks that came or went since the last commit change the windows behind them. */
  #followMarks(key: string, before: readonly NormalMark[]): void {
    const texts = (marks: readonly NormalMark[]): Map<string, NormalMark> =>
      new Map(marks.map((mark) => [JSON.stringify(mark), mark]));
    const [old, now] = [texts(before), texts(this.rule.marks)];
    const changed = [...old, ...now].filter(([text]) => !(old.has(text) && now.has(text)));
    if (changed.length === 0) return;
    const group = groupKey(this.#textsOf(key));
    for (const [, mark] of changed) if (mark.group === group) this.correct(key, mark.index);
  }

  /** A cell of a judged window has changed. */
  correct(key: string, index: number): void {
    if (this.next === undefined || index >= this.next) return;
    const from = Math.max(index, this.rule.first);
    if (index < this.rule.first) return;
    const before = this.#corrected.get(key);
    if (before === undefined || from < before) this.#corrected.set(key, from);
  }

  /** All groups, from a window on: what is silent has changed. */
  correctAll(index: number): void {
    if (this.next === undefined || index >= this.next) return;
    for (const [key] of this.#rows.all()) this.correct(key, Math.max(index, this.rule.first));
  }

  /** Inside a commit, when the cube has the rows from the first window on. */
  begin(cube: CubeInfo): void {
    if (this.next !== undefined || !isKnownFrom(cube, this.rule.grid.startOf(this.rule.first))) return;
    this.#rows.clear();
    this.#fits?.forgetAll();
    this.#corrected.clear();
    this.#unheard = undefined;
    this.#groups = 0;
    this.next = this.rule.first;
  }

  /** Inside a commit: judges closed windows, about `budget` of them; gives what it took. */
  advance(cube: CubeInfo, watermark_ms: number, budget: number, now_ms: number): number {
    let taken = 0;
    const { grid } = this.rule;
    this.#fits?.beginRefused((key) => this.#rows.get(key)?.state);
    while (this.next !== undefined && taken < budget && this.#fits?.isWaiting !== true) {
      const wanted = Math.min(grid.indexOf(watermark_ms), this.next + this.#chunk(budget - taken));
      if (wanted <= this.next) break;
      const closed = Math.min(wanted, this.next + this.#windowsLeft());
      if (closed <= this.next) break;
      taken += this.#judge(cube, this.next, closed, now_ms);
      this.next = closed;
    }
    return taken;
  }

  #chunk(budget: number): number {
    return Math.max(1, Math.min(MAX_CHUNK_WINDOWS, Math.floor(budget / Math.max(1, this.#groups))));
  }

  #windowsLeft(): number {
    return (
      this.#fits?.windowsLeft(this.#rows.all(), this.rule.detector.start('')) ?? Number.POSITIVE_INFINITY
    );
  }

  #judge(cube: CubeInfo, from: number, to: number, now_ms: number): number {
    const { rule } = this;
    const { tables, told } = this.#context;
    const sums = new WindowSums(tables.cells, rule, cube, { from, to });
    const silent = this.#learnSilence(from, to, now_ms);
    const { grid, scope } = rule;
    const before = recordsOf(rule, told.between(scope, grid.startOf(from), grid.startOf(to)));
    const known = [...this.#rows.all()];
    const isKnown = new Set(known.map(([key]) => key));
    const fresh = [...sums.keys()].filter((key) => !isKnown.has(key));
    const room = Math.min(this.#context.take(rule, fresh.length), rule.max_groups - known.length);
    const admitted = fresh.slice(0, Math.max(0, room)).flatMap((key) => {
      const first = sums.firstOf(key);
      return first === undefined ? [] : [[key, this.#freshSeries(key, first)] as const];
    });
    for (const [key, series] of [...known, ...admitted]) {
      const start = Math.max(from, series.first);
      const folded = this.#fold(key, series, { from: start, to }, sums, silent);
      this.#settle(key, folded, before, to, now_ms);
    }
    this.#groups = known.length + admitted.length;
    const windows = Math.max(1, this.#groups) * (to - from);
    this.#context.judged(windows);
    return windows;
  }

  /** Finds the silent ones of windows that are judged for the first time. */
  #learnSilence(from: number, to: number, now_ms: number): ReadonlySet<number> {
    const silence = this.#context.silenceOf(this.rule, from, to);
    if (silence !== undefined) this.#silent.learn(silence, from, to, to, now_ms);
    return this.#silent.between(from, to);
  }

  /** Events of the scope came in a stretch: others may be silent, or no longer. */
  hear({ from_ms, to_ms }: Stretch): void {
    if (this.next === undefined || from_ms >= this.rule.grid.startOf(this.next)) return;
    const before = this.#unheard ?? { from_ms, to_ms };
    this.#unheard = { from_ms: Math.min(before.from_ms, from_ms), to_ms: Math.max(before.to_ms, to_ms) };
  }

  /** Inside a commit: looks again at the silence of judged windows. */
  recheckSilence(now_ms: number): void {
    const { next, rule } = this;
    const unheard = this.#unheard;
    this.#unheard = undefined;
    if (next === undefined || unheard === undefined) return;
    const { from_ms, to_ms } = unheard;
    const from = Math.max(rule.first, rule.grid.indexOf(from_ms));
    const to = Math.min(next, rule.grid.indexOf(to_ms + SILENCE_REACH_MS) + 1);
    if (from >= to) return;
    const silence = this.#context.silenceOf(rule, from, to);
    if (silence === undefined) return;
    const changed = this.#silent.learn(silence, from, to, next, now_ms);
    if (changed !== undefined) this.correctAll(changed);
  }

  #freshSeries(key: string, first: number): SeriesState {
    const group = groupKey(this.#textsOf(key));
    return { first, state: this.rule.detector.start(group), episode: undefined };
  }

  #fold(
    key: string,
    series: SeriesState,
    { from, to }: { readonly from: number; readonly to: number },
    sums: WindowSums,
    silent: ReadonlySet<number>,
  ): Folded {
    const { rule } = this;
    const group = rule.marks.length === 0 ? '' : groupKey(this.#textsOf(key));
    const fold = new Fold(rule, group, series, this.#fits?.modelFor(key, series.state));
    for (let index = from; index < to; index++) {
      this.#rows.snapshot(key, index, to, fold.series);
      fold.next(index, silent.has(index) ? null : rule.valueOf(sums.of(key, index)));
    }
    const folded = fold.folded;
    this.#rows.put(key, folded.series);
    this.#fits?.follow(key, folded.series.state);
    return folded;
  }

  /** Inside a commit: judges again what was corrected, from the newest snapshots before it. */
  recorrect(cube: CubeInfo, now_ms: number): number {
    const { next } = this;
    if (next === undefined || this.#corrected.size === 0) return 0;
    const { rule } = this;
    const starts = new Map<string, SeriesSnapshot | undefined>();
    const canBegin = next - rule.first <= MAX_AGAIN_WINDOWS;
    const most = this.#fits === undefined ? Number.POSITIVE_INFINITY : MAX_FITTED_GROUPS;
    let from = next;
    for (const [key, index] of this.#corrected) {
      if (starts.size >= most) break;
      this.#corrected.delete(key);
      const snapshot = this.#rows.rewind(key, index, canBegin);
      if (snapshot === undefined && !canBegin) {
        this.#context.frozen();
        continue;
      }
      starts.set(key, snapshot);
      // The history of a fit may be another one now.
      this.#fits?.forget(key);
      from = Math.min(from, snapshot?.index ?? rule.first);
    }
    if (starts.size === 0) return 0;
    const { tables, told } = this.#context;
    const { grid, scope } = rule;
    const sums = new WindowSums(tables.cells, rule, cube, { from, to: next }, starts);
    const silent = this.#silent.between(from, next);
    const before = recordsOf(rule, told.between(scope, grid.startOf(from), grid.startOf(next)));
    let windows = 0;
    for (const [key, snapshot] of starts) {
      const series = snapshot?.series ?? this.#again(key, sums);
      if (series === undefined) {
        this.#retractAll(before.get(groupKey(this.#textsOf(key))) ?? [], next, now_ms);
        continue;
      }
      const start = snapshot?.index ?? series.first;
      const folded = this.#fold(key, series, { from: start, to: next }, sums, silent);
      this.#settle(key, folded, before, next, now_ms, start);
      windows += next - start;
    }
    this.#context.judged(windows);
    return windows;
  }

  /** A series from its beginning; undefined where nothing is in it, or there is no place for another one. */
  #again(key: string, sums: WindowSums): SeriesState | undefined {
    const isNew = this.#rows.get(key) === undefined;
    const first = sums.firstOf(key);
    if (first === undefined) {
      if (!isNew) this.#groups--;
      this.#rows.remove(key);
      return undefined;
    }
    if (isNew && (this.#groups >= this.rule.max_groups || this.#context.take(this.rule, 1) < 1))
      return undefined;
    if (isNew) this.#groups++;
    return this.#freshSeries(key, first);
  }

  /** Inside a commit. */
  flush(): void {
    if (this.next === undefined) return;
    const { version, marks } = this.rule;
    const judged_until_ms = this.rule.grid.startOf(this.next);
    const progress: RunProgress = {
      ...{ version, next: this.next, judged_until_ms, marks },
      ...(this.#corrected.size === 0 ? {} : { corrected: [...this.#corrected] }),
      ...(this.#unheard === undefined ? {} : { unheard: this.#unheard }),
    };
    writeRunProgress(this.#context.tables.progress, this.slot, progress);
  }

  #settle(
    key: string,
    { episodes }: Folded,
    before: ReadonlyMap<string, readonly AnomalyRecord[]>,
    to: number,
    now_ms: number,
    from = Number.NEGATIVE_INFINITY,
  ): void {
    if (episodes.length === 0 && before.size === 0) return;
    const { rule } = this;
    const { told } = this.#context;
    const texts = this.#textsOf(key);
    const group = groupKey(texts);
    const closed_ms = rule.grid.startOf(to);
    const found = episodes
      .map(({ episode, isEnded }) => foundAnomaly(rule, texts, episode, isEnded))
      .filter(({ end_ms }) => end_ms > rule.alertFrom_ms);
    const ids = new Set(found.map(({ id }) => id));
    for (const each of found) told.settle(rule.scope, each, closed_ms, now_ms);
    const start_ms = from === Number.NEGATIVE_INFINITY ? from : rule.grid.startOf(from);
    const gone = (before.get(group) ?? []).filter(
      (record) => !ids.has(record.id) && record.start_ms >= start_ms,
    );
    this.#retractAll(gone, to, now_ms);
  }

  #retractAll(records: readonly AnomalyRecord[], to: number, now_ms: number): void {
    const closed_ms = this.rule.grid.startOf(to);
    for (const record of records) this.#context.told.retract(this.rule.scope, record, closed_ms, now_ms);
  }

  #textsOf(key: string): GroupTexts {
    return textsOf(this.rule, key, this.#context.dictionary());
  }
}

/** The texts of a group's key. */
export function textsOf(rule: WatchedRule, key: string, dictionary: Dictionary): GroupTexts {
  const texts = key.split(',').map((code) => dictionary.textOf(Number(code)));
  const count = rule.cube.dimensions.length;
  return { values: texts.slice(0, count), currency: rule.byCurrency ? texts[count] : undefined };
}

/** Records of a rule by the key of their groups. */
function recordsOf(
  rule: WatchedRule,
  records: readonly AnomalyRecord[],
): ReadonlyMap<string, readonly AnomalyRecord[]> {
  const found = new Map<string, AnomalyRecord[]>();
  for (const record of records) {
    if (record.kind !== 'metric' || record.rule_id !== rule.id) continue;
    const values = rule.cube.dimensions.map((name) => record.group[name] ?? '');
    const key = groupKey({ values, currency: rule.byCurrency ? (record.currency ?? '') : undefined });
    const list = found.get(key);
    if (list === undefined) found.set(key, [record]);
    else list.push(record);
  }
  return found;
}

/** Whether a cube has every row from a time on. */
export function isKnownFrom({ from_ms, share }: CubeInfo, time_ms: number): boolean {
  return from_ms <= time_ms || (from_ms !== NEVER_MS && share === undefined);
}
