import type { NodeDescription, TopologyDescription } from '../../engine/index.ts';
import type { Counts } from './counts.ts';
import type { Cause } from './facts.ts';
import { makersBefore, timeCause } from './time-causes.ts';

type Told = Omit<Cause, 'place'>;

/** Operators at whose end nothing has to come out. */
const ENDS = new Set([
  'to-table',
  'to-window-table',
  'to-jetstream',
  'to-callback',
  'event-log',
  'cubes',
  'kept-events',
]);
const JOINS = new Set(['interval-join', 'stream-join', 'window-join', 'temporal-join', 'lookup-join']);
/** Kinds whose items come when the watermark says so. */
const TIMED = new Set([
  'window',
  'window-join',
  'temporal-join',
  'sessions',
  'sessionize',
  'funnel',
  'pattern',
]);

/** Where the stream ends inside the topology, by what came to each operator and what it gave. */
export function flowCauses(topology: TopologyDescription, counts: Counts): readonly Cause[] {
  return topology.nodes.flatMap((node) => {
    const received = counts.received(node.name);
    if (node.kind === 'source' || received === 0) return [];
    const byIdle = counts.of(LATE_BY_IDLE, { operator: node.name });
    if (byIdle * 2 > received)
      return [{ ...lateByIdle(node, byIdle, received), place: `operator "${node.name}"` }];
    const told = ENDS.has(node.kind)
      ? endCause(topology, node, received, counts)
      : counts.emitted(node.name) > 0 || (node.kind === 'branch' && counts.emittedAnywhere(node.name) > 0)
        ? builtCause(node, counts)
        : silentCause(topology, node, received, counts);
    return told === undefined ? [] : [{ ...told, place: `operator "${node.name}"` }];
  });
}

/** The order analytics counts late events too: only what was said of completeness was too early. */
const LATE_ORDERS =
  'They are counted. What was called complete of their times has changed: ask for it again. To have none called ' +
  'complete too early, publish events of the past from the oldest on, without a pause of a minute.';

const LATE_BY_IDLE = 'millrace.watermark.late_by_idle';

const lateByIdle = ({ name, kind }: NodeDescription, late: number, received: number): Told => ({
  code: 'late_by_idle',
  sentence: `${late} of ${received} events are late only because the watermark followed the clock of a quiet source.`,
  next:
    kind === 'event-watermark'
      ? LATE_ORDERS
      : `For events of the past give "${name}" the setting idle_ms: Infinity, and begin on a new data folder.`,
});

/** Metrics of operators that make what users define from the log. */
const BUILDERS = ['cubes', 'kept_events'] as const;

/** A definition that is still made from the log. */
function builtCause({ name }: NodeDescription, counts: Counts): Told | undefined {
  for (const builder of BUILDERS) {
    const incomplete = counts.level(`millrace.${builder}.incomplete`, name) ?? 0;
    if (incomplete === 0) continue;
    return {
      code: 'bootstrapping',
      sentence: `${incomplete} definitions are still being built from the log.`,
      next: `Wait: millrace_${builder}_rows_built_total rises until they are complete.`,
    };
  }
  return undefined;
}

function endCause(
  topology: TopologyDescription,
  node: NodeDescription,
  received: number,
  counts: Counts,
): Told | undefined {
  const fates = counts.fates(node.name);
  const late = fates.get('late') ?? 0;
  const refused = fates.get('refused') ?? 0;
  if (late * 2 > received) {
    return node.kind === 'to-window-table'
      ? {
          code: 'behind_table_retention',
          sentence: `${late} of ${received} items are of windows that its retain_ms has removed.`,
          next: 'Raise retain_ms, or see why the events are so old: their times are far behind the watermark.',
        }
      : allLate(late, received, carrierOf(topology, node, counts));
  }
  if (refused >= received) {
    return {
      code: 'all_refused',
      sentence: `None of the ${refused} items could be sent or kept: a subject, id, header or time is not valid.`,
      next: 'Look at the functions of its configuration that make them.',
    };
  }
  return builtCause(node, counts);
}

function silentCause(
  topology: TopologyDescription,
  node: NodeDescription,
  received: number,
  counts: Counts,
): Told | undefined {
  const fates = counts.fates(node.name);
  const fate = (...words: readonly string[]): number =>
    words.reduce((sum, word) => sum + (fates.get(word) ?? 0), 0);
  if (fate('rejected') > 0) return deadLettersCause(node, fate('rejected'), counts);
  if (fate('duplicates') >= received) return allDuplicates(fate('duplicates'));
  // The event that carried the watermark ahead is in time itself.
  if (fate('late') * 2 > received) {
    return allLate(fate('late'), received, carrierOf(topology, node, counts));
  }
  if (fate('limited') > 0 && fate('limited', 'late') >= received) return allLimited(fate('limited'));
  if (fate('dropped', 'unmatched') >= received) return allFiltered(received);
  if (fate('keyless') >= received) return noKeys(received);
  if (fate('overflow', 'overflowed') >= received) return overLimit(received);
  if (JOINS.has(node.kind)) {
    const join = joinCause(node, fate('missing'), counts);
    if (join !== undefined) return join;
  }
  if (fate('missing') >= received) return nothingFound(fate('missing'));
  const isTimed = TIMED.has(node.kind) || counts.level(DUE, node.name) !== undefined;
  const waiting = isTimed ? timeCause(topology, node, counts) : undefined;
  if (waiting !== undefined) return waiting;
  if (JOINS.has(node.kind)) return noPair(received);
  if (fate('ignored') >= received) return completed(received);
  return {
    code: 'operator_gives_nothing',
    sentence: `${received} items came in, and its function gave nothing for any of them.`,
    next: 'Look at its function with one of the items: a test driver runs it without a broker.',
  };
}

const DUE = 'millrace.operator.due.timestamp';

function deadLettersCause({ name }: NodeDescription, rejected: number, counts: Counts): Told {
  const [[reason, times] = ['', 0]] = counts.reasons('millrace.decode.rejected', name);
  return {
    code: 'all_dead_letters',
    sentence: `All ${rejected} messages became dead letters, ${times} of them with the reason ${reason}.`,
    next: `See "millrace deadletters ls --reason ${reason}", and mend the sender or the schema.`,
  };
}

const allLate = (late: number, received: number, clock: string | undefined): Told => ({
  code: 'all_late',
  sentence: `${late} of ${received} items came behind the watermark, too late to count.`,
  next:
    clock === undefined
      ? 'Raise outOfOrderness_ms or the allowed lateness, or see which event has carried the watermark ahead.'
      : `The stream was quiet for the idle_ms of "${clock}", so the watermark follows the clock, or an earlier run ` +
        'carried it there. For events of the past give it "idle_ms: Infinity" and begin on a new data folder.',
});

/**
 * The operator whose watermark no event of this run has moved: all that came to it were late, and one that
 * moves it is in time itself.
 */
function carrierOf(topology: TopologyDescription, node: NodeDescription, counts: Counts): string | undefined {
  return makersBefore(topology, node, counts).find(({ name }) => {
    const received = counts.received(name);
    return received > 0 && counts.of('millrace.watermark.late', { operator: name }) >= received;
  })?.name;
}

const allDuplicates = (duplicates: number): Told => ({
  code: 'all_duplicates',
  sentence: `All ${duplicates} items have an id that is known already.`,
  next: 'See whether the sender repeats itself, and whether the id is really one of each event.',
});

const allLimited = (limited: number): Told => ({
  code: 'all_rate_limited',
  sentence: `All ${limited} items were over the rate limit of their key.`,
  next: 'Raise the limit, or read what it holds back from its side output.',
});

const allFiltered = (received: number): Told => ({
  code: 'all_filtered',
  sentence: `It left out all ${received} items that came to it.`,
  next: 'Look at its predicate with one of the items.',
});

const noKeys = (received: number): Told => ({
  code: 'no_keys',
  sentence: `None of the ${received} items has a key.`,
  next: 'Look at keyOf with one of the items.',
});

const overLimit = (received: number): Told => ({
  code: 'over_limit',
  sentence: `All ${received} items were past a limit of the operator.`,
  next: 'Raise the limit in its configuration, or read the side output "overflow".',
});

const nothingFound = (missing: number): Told => ({
  code: 'lookup_finds_nothing',
  sentence: `For none of the ${missing} items there is a row.`,
  next: 'See whether the table has been filled, and whether both sides make the same key.',
});

const noPair = (received: number): Told => ({
  code: 'join_matches_none',
  sentence: `${received} rows came from both sides, and no two of them match.`,
  next: 'See whether both sides make the same key, and whether their times are near enough.',
});

const completed = (received: number): Told => ({
  code: 'operator_gives_nothing',
  sentence: `The RxJS operator has completed, and takes none of the ${received} items.`,
  next: 'Use one that does not complete.',
});

function joinCause({ inputs, kind }: NodeDescription, missing: number, counts: Counts): Told | undefined {
  const silent = inputs.filter((input) => counts.emittedAnywhere(input) === 0);
  const [other] = silent;
  // What a side output gives is counted with its operator.
  if (other === undefined || silent.length === inputs.length || !counts.has(other)) return undefined;
  const about = kind === 'lookup-join' && missing > 0 ? ` ${missing} rows found no partner.` : '';
  return {
    code: 'join_waits',
    sentence: `It waits for its other side: nothing has come from "${other}".${about}`,
    next: `See why "${other}" gives nothing; rows that wait for it are kept as long as the join says.`,
  };
}
