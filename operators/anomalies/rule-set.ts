import type {
  ControlDefinition,
  Counter,
  Dictionary,
  KvTable,
  KvView,
  Metrics,
  Notice,
  OutMessage,
  RowBatch,
} from '../../engine/index.ts';
import { CountedCubes, type Cube, scanCells, type WantedCube } from '../views/cubes/index.ts';
import type { AnomaliesConfig, RuleBook } from './anomalies.ts';
import type { AnomalyRecord } from './anomaly-rows.ts';
import type { FitsContext } from './rule-fits.ts';
import { isKnownFrom, RuleRun } from './rule-run.ts';
import { type Pulse, SILENCE_REACH_MS, Silence } from './silence.ts';
import { type AnomalyEvent, ToldAnomalies } from './told-anomalies.ts';
import type { WatchedRule } from './watched-rule.ts';
import { seriesKey } from './window-sums.ts';

const DEFAULT_MAX_GROUPS = 100_000;
const DEFAULT_COMMIT_WINDOWS = 20_000;
const DEFAULT_CELLS_PER_DAY = 1_000_000;
/** Corrections take at most one part of so many of the time. */
const CORRECTION_PARTS = 5;

const TABLES = [
  'cells',
  'days',
  'definitions',
  'series',
  'snapshots',
  'progress',
  'silent',
  'anomalies',
] as const;

interface Context {
  readonly name: string;
  readonly topology: string;
  readonly config: AnomaliesConfig;
  readonly state: Readonly<Record<(typeof TABLES)[number], KvTable>>;
  readonly view: (table: string) => KvView;
  readonly clock: { now(): number };
  readonly metrics: Metrics;
  notice(notice: Notice): void;
  send(message: OutMessage): void;
  requestBarrier(): void;
}

/** All rules of a task: their cubes, and the runs that judge them. */
export class RuleSet {
  readonly #context: Context;
  readonly #counted: CountedCubes;
  readonly #book: RuleBook;
  readonly #told: ToldAnomalies;
  #runs: readonly RuleRun[] = [];
  readonly #runOf = new Map<string, RuleRun>();
  #wanted = new Map<string, WantedCube>();
  #dictionary: Dictionary | undefined;
  #isStale = true;
  #hasBegun = false;
  #taken = 0;
  #due_ms = Number.POSITIVE_INFINITY;
  /** No corrections before it, of the clock. */
  #correctAt_ms = Number.NEGATIVE_INFINITY;
  readonly #counters: Readonly<
    Record<'judged' | 'told' | 'left' | 'frozen' | 'fitted' | 'unfitted', Counter>
  >;

  constructor(context: Context) {
    const { name, config, state, view, metrics } = context;
    this.#context = context;
    this.#book = config.book();
    const { schema, dictionaryTable, history, cells_per_day = DEFAULT_CELLS_PER_DAY } = config;
    this.#counted = new CountedCubes({
      ...{ name, state, view, metrics },
      config: { schema, dictionaryTable, history, cells_per_day, cubes: [], reader: config.pulse },
      notice: (notice) => context.notice({ ...notice, kind: 'rule_full' }),
      beside: [state.series, state.snapshots, state.progress, state.silent],
      drained: (cube) => this.#drained(cube),
    });
    this.#told = new ToldAnomalies(state.anomalies, (...told) => this.#tell(...told));
    const labels = { operator: name };
    const counter = (what: string, help: string): Counter =>
      metrics.counter(`millrace.anomalies.${what}`, help, labels);
    this.#counters = {
      judged: counter('judged', 'Windows of groups that were judged, or judged again'),
      told: counter('told', 'Messages on anomalies'),
      left: counter('groups_left_out', 'Groups that were not judged because a limit was reached'),
      fitted: counter('fits', 'Models that were fitted beside the task'),
      unfitted: counter('fits_dropped', 'Fits that failed or that nobody wanted any more'),
      frozen: counter('frozen', 'Corrections of groups whose windows closed too long ago to be judged again'),
    };
    metrics.gauge('millrace.anomalies.rules', 'Rules at work', () => this.#runs.length, labels);
    const openFits = (): number => this.#runs.reduce((sum, run) => sum + run.openFits, 0);
    metrics.gauge('millrace.anomalies.fits_waiting', 'Fits that are due and not made', openFits, labels);
    metrics.gauge('millrace.anomalies.groups', 'Groups that are judged', () => this.#taken, labels);
  }

  /** The event time at which the next window closes. */
  get due_ms(): number {
    return this.#due_ms;
  }

  define(definition: ControlDefinition): void {
    this.#book.define(definition);
    this.#isStale = true;
  }

  forget(definition: ControlDefinition): void {
    this.#book.forget(definition);
    this.#isStale = true;
  }

  /** Rows that come in; true: there is so much to be written that a commit is due. */
  add(batches: readonly RowBatch[]): boolean {
    // Later ones begin at a barrier: what comes through within a commit comes before the log has the commit's rows.
    if (!this.#hasBegun) this.#settle();
    if (this.#wanted.size === 0) return false;
    for (const rows of batches) this.#counted.set.add(rows);
    return this.#counted.set.touchedCells >= DEFAULT_CELLS_TOUCHED;
  }

  /** Inside a commit; true: there is more to do at once. */
  commit(watermark_ms: number, now_ms: number): boolean {
    this.#settle();
    const counted = this.#counted;
    counted.build();
    counted.set.drain();
    counted.set.next();
    const hasMore = this.#runs.length > 0 && this.#judge(watermark_ms, now_ms);
    for (const run of this.#runs) run.flush();
    counted.flush();
    return hasMore || counted.incomplete > 0;
  }

  /** Makes cubes and runs those of the rules that there are. */
  #settle(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#hasBegun = true;
    const rules = this.#book.rules();
    const wanted = new Map<string, WantedCube>();
    for (const rule of rules) {
      wanted.set(rule.cube.name, rule.cube);
      const pulse = this.#pulseOf(rule);
      wanted.set(pulse.name, this.#wanted.get(pulse.name) ?? pulse);
    }
    for (const name of this.#wanted.keys()) if (!wanted.has(name)) this.#counted.unwant(name);
    for (const [name, cube] of wanted) if (this.#wanted.get(name) !== cube) this.#counted.want(cube);
    this.#wanted = wanted;
    this.#counted.settle();
    this.#restart(rules);
  }

  get #fits(): FitsContext | undefined {
    const { config, requestBarrier } = this.#context;
    const { fitted, unfitted } = this.#counters;
    if (config.fits === undefined) return undefined;
    return {
      place: config.fits,
      wake: requestBarrier,
      ended: (isMade) => (isMade ? fitted : unfitted).add(),
    };
  }

  #pulseNameOf({ scope, pulse_ms }: WatchedRule): string {
    return `${PULSE}/${scope}/${pulse_ms}`;
  }

  #pulseOf(rule: WatchedRule): WantedCube {
    const { scope, pulse_ms } = rule;
    const name = this.#pulseNameOf(rule);
    return { name, scope, dimensions: [], bucket_ms: pulse_ms, reader: this.#context.config.pulse() };
  }

  #restart(rules: readonly WatchedRule[]): void {
    const before = new Map(this.#runs.map((run) => [run.rule, run]));
    const cubes = new Map(this.#counted.live.map((cube) => [cube.slot.name, cube]));
    this.#taken = 0;
    const { state } = this.#context;
    const former = this.#runs;
    this.#runs = rules.flatMap((rule) => {
      const cube = cubes.get(rule.cube.name);
      if (cube === undefined) return [];
      const same = before.get(rule);
      if (same !== undefined && same.slot === cube.slot.id) {
        this.#taken += same.groups;
        return [same];
      }
      const context = {
        tables: state,
        told: this.#told,
        dictionary: () => this.#texts(),
        silenceOf: (of: WatchedRule, from: number, to: number) => this.#silenceOf(of, from, to),
        take: (of: WatchedRule, groups: number) => this.#take(of, groups),
        judged: (windows: number) => this.#counters.judged.add(windows),
        frozen: () => this.#counters.frozen.add(),
        fits: this.#fits,
      };
      return [new RuleRun(context, rule, cube.slot.id)];
    });
    for (const run of former) if (!this.#runs.includes(run)) run.end();
    this.#runOf.clear();
    const teller = new Map<string, RuleRun>();
    for (const run of this.#runs) {
      this.#runOf.set(run.rule.cube.name, run);
      const told = teller.get(run.rule.scope);
      if (told === undefined || run.rule.pulse_ms < told.rule.pulse_ms) teller.set(run.rule.scope, run);
    }
    for (const run of teller.values()) run.tellSilence();
    this.#plan();
  }

  #plan(): void {
    this.#due_ms = this.#runs.reduce((due_ms, run) => Math.min(due_ms, run.due_ms), Number.POSITIVE_INFINITY);
  }

  #take(rule: WatchedRule, wanted: number): number {
    const { max_groups = DEFAULT_MAX_GROUPS } = this.#context.config;
    const given = Math.max(0, Math.min(wanted, max_groups - this.#taken));
    this.#taken += given;
    if (given < wanted) this.#leaveOut(rule, wanted - given);
    return given;
  }

  #leaveOut({ scope, id, max_groups }: WatchedRule, groups: number): void {
    this.#counters.left.add(groups);
    const detail = { rule: id, max_groups };
    this.#context.notice({ kind: 'rule_full', scope, sequence: this.#counted.set.sequence, detail });
  }

  #texts(): Dictionary {
    const { config, view } = this.#context;
    const live = this.#counted.set.dictionary;
    if (live !== undefined) return live;
    this.#dictionary ??= config.dictionary(view, undefined);
    return this.#dictionary;
  }

  /** Cells of a cube that are about to be written: those of judged windows are corrections. */
  #drained({ slot, touched }: Cube): void {
    const { keys, words, count } = touched;
    if (slot.name.startsWith(`${PULSE}/`)) {
      let [from_ms, to_ms] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (let cell = 0; cell < count; cell++) {
        const at_ms = (keys[cell * words + 1] as number) * slot.bucket_ms;
        from_ms = Math.min(from_ms, at_ms);
        to_ms = Math.max(to_ms, at_ms + slot.bucket_ms);
      }
      for (const run of this.#runs)
        if (this.#pulseNameOf(run.rule) === slot.name) run.hear({ from_ms, to_ms });
      return;
    }
    const run = this.#runOf.get(slot.name);
    if (run?.next === undefined) return;
    const { grid } = run.rule;
    const judged_ms = grid.startOf(run.next);
    for (let cell = 0; cell < count; cell++) {
      const at_ms = (keys[cell * words + 1] as number) * slot.bucket_ms;
      if (at_ms >= judged_ms) continue;
      const codes = keys.subarray(cell * words + KEY_WORDS, (cell + 1) * words);
      run.correct(seriesKey(run.rule, codes, keys[cell * words + 2] as number), grid.indexOf(at_ms));
    }
  }

  #silenceOf(rule: WatchedRule, from: number, to: number): Silence | undefined {
    const name = this.#pulseNameOf(rule);
    const pulse = this.#counted.live.find(({ slot }) => slot.name === name)?.slot;
    if (pulse === undefined || !isKnownFrom(pulse, rule.grid.startOf(from) - SILENCE_REACH_MS))
      return undefined;
    const { cells } = this.#context.state;
    const { scope, grid } = rule;
    const counts: Pulse = {
      bucket_ms: pulse.bucket_ms,
      read: (start_ms, end_ms, add) =>
        scanCells(cells, { scope, cube: pulse, start_ms, end_ms }, (at_ms, _, __, { sums }) =>
          add(at_ms, sums[0] as number),
        ),
    };
    return new Silence(counts, grid, from, to);
  }

  #judge(watermark_ms: number, now_ms: number): boolean {
    const { commit_max_windows: budget = DEFAULT_COMMIT_WINDOWS } = this.#context.config;
    const cubes = new Map(this.#counted.live.map((cube) => [cube.slot.id, cube.slot]));
    let left = budget;
    if (now_ms >= this.#correctAt_ms) left -= this.#correct(cubes, now_ms);
    for (const run of this.#runs) {
      const cube = cubes.get(run.slot);
      if (cube === undefined) continue;
      run.begin(cube);
      if (left > 0) left -= run.advance(cube, watermark_ms, left, now_ms);
    }
    this.#plan();
    return watermark_ms >= this.#due_ms;
  }

  /** Judges again what late events have changed. */
  #correct(cubes: ReadonlyMap<number, Cube['slot']>, now_ms: number): number {
    const { clock } = this.#context;
    const began_ms = clock.now();
    let windows = 0;
    for (const run of this.#runs) {
      run.recheckSilence(now_ms);
      const cube = cubes.get(run.slot);
      if (cube !== undefined && run.hasCorrections) windows += run.recorrect(cube, now_ms);
    }
    this.#correctAt_ms = now_ms + (clock.now() - began_ms) * (CORRECTION_PARTS - 1);
    return windows;
  }

  #tell(event: AnomalyEvent, scope: string, record: AnomalyRecord): void {
    const rule = this.#runs.find((run) => run.rule.scope === scope && run.rule.id === record.rule_id)?.rule;
    const { subject, payload } = this.#context.config.message(event, scope, record, rule);
    this.#counters.told.add();
    const { id, revision } = record;
    const headers = { 'Content-Type': 'application/json' };
    this.#context.send({ id: `${id}-${revision}`, subject, headers, payload });
  }
}

/** Words of a touched cell's key before its dimensions: scope, bucket, currency. */
const KEY_WORDS = 3;
/** Touched cells that ask for a commit. */
const DEFAULT_CELLS_TOUCHED = 100_000;
/** Names of the cubes that count a scope's events begin with it. */
const PULSE = 'pulse';
