import { counter, gauge, type MetricGroup, type MetricSpec } from './metric-spec.ts';

/** Of an operator that can be in a topology several times. */
const count = (name: string, unit: `{${string}}`, help: string, ...labels: readonly string[]): MetricSpec =>
  counter(`millrace.${name}`, unit, help, 'operator', ...labels);
const level = (
  name: string,
  unit: 'By' | `{${string}}`,
  help: string,
  ...labels: readonly string[]
): MetricSpec => gauge(`millrace.${name}`, unit, help, 'operator', ...labels);

const core: MetricGroup = {
  title: 'Core operators',
  about: 'By operator, for each kind that is in the topology.',
  metrics: [
    count('decode.accepted', '{event}', 'Events decoded'),
    count('decode.rejected', '{message}', 'Dead letters', 'reason'),
    count('filter.dropped', '{item}', 'Items that a filter left out'),
    count('sample.dropped', '{item}', 'Items that a sample left out'),
    count('branch.unmatched', '{item}', 'Items that no branch takes'),
    count('lift.ignored', '{item}', 'Items after an RxJS operator has completed'),
    count('watermark.late', '{event}', 'Events older than the watermark'),
    count('watermark.events', '{event}', 'Events whose times were taken'),
    count(
      'watermark.late_by_idle',
      '{event}',
      'Events that are late only because the watermark followed the clock while the source was quiet',
    ),
    count(
      'watermark.ahead',
      '{event}',
      'Events whose time is not believed: after the year 10889, or too far ahead of the clock',
    ),
    count(
      'watermark.ahead_of_storing',
      '{event}',
      'Events more than 5 minutes ahead of the time at which the stream stored them',
    ),
    count('process.late', '{event}', 'Events behind the watermark, not handled'),
    count('rate_limit.late', '{event}', 'Events behind the watermark, not handled'),
    count('rate_limit.limited', '{event}', 'Events over a limit'),
    count('dedup.duplicates', '{event}', 'Events dropped because their id is known'),
    count('dedup.conflicts', '{event}', 'Duplicates whose payload differs'),
    level('dedup.memory_ids', '{id}', 'Ids in memory'),
    level('dedup.memory.usage', 'By', 'Memory of the ids'),
    level(
      'dedup.awaited_ids',
      '{id}',
      'Ids of events that the state before this one had, and that have not come again',
    ),
    level('dedup.disk_runs', '{run}', 'Runs of ids on disk'),
    count('dedup.disk_blocks_read', '{block}', 'Blocks of ids read'),
  ],
};

const windowsAndJoins: MetricGroup = {
  title: 'Windows and joins',
  about: 'By operator, for each kind that is in the topology.',
  metrics: [
    count('window.results', '{result}', 'Results of windows'),
    count('window.late', '{event}', 'Events whose windows were all closed'),
    count('window.overflow', '{event}', 'Events past a limit on open windows'),
    level('window.cached', '{accumulator}', 'Accumulators in memory'),
    count('lookup.missing', '{item}', 'Items without a row, dropped'),
    count('lookup_join.superseded', '{row}', 'Rows for the table that were older than what it had'),
    count('lookup_join.missing', '{row}', 'Left rows without a row, dropped'),
    count('interval_join.late', '{row}', 'Rows that came after their matches had gone'),
    level('interval_join.buckets', '{bucket}', 'Time buckets with rows, both sides'),
    count('stream_join.late', '{row}', 'Rows that came after their matches had gone'),
    level('stream_join.buckets', '{bucket}', 'Time buckets with rows, both sides'),
    count(
      'temporal_join.late',
      '{row}',
      'Rows of either side that came after the left rows of their time were joined',
    ),
    count('temporal_join.missing', '{row}', 'Left rows without a version, dropped'),
    level('temporal_join.buckets', '{bucket}', 'Time buckets with waiting rows, both sides'),
    count('window_join.late', '{row}', 'Rows that came after their window closed'),
    level('window_join.windows', '{window}', 'Open windows with rows, both sides'),
  ],
};

const sequences: MetricGroup = {
  title: 'Sequences',
  about: 'By operator, for each kind that is in the topology.',
  metrics: [
    count('sessions.late', '{event}', 'Events behind the watermark, not handled'),
    count('sessions.cut', '{session}', 'Sessions cut by their limit'),
    count('sessionize.late', '{event}', 'Events behind the watermark, not handled'),
    count('funnel.late', '{event}', 'Events later than the allowed lateness'),
    count('funnel.keyless', '{event}', 'Events without a key'),
    count('funnel.duplicates', '{event}', 'Events that were kept already'),
    count('funnel.overflowed', '{event}', 'Events dropped because their entity had too many'),
    level('funnel.cached', '{entity}', 'Entities in memory'),
    count('pattern.late', '{event}', 'Events later than the allowed lateness'),
    count('pattern.keyless', '{event}', 'Events without a key'),
    count('pattern.overflowed', '{event}', 'Events beyond what a key may have waiting'),
    count('pattern.given_up', '{match}', 'Partial matches given up because their key had too many'),
    level('pattern.cached', '{key}', 'Keys in memory'),
  ],
};

const viewsAndSinks: MetricGroup = {
  title: 'Tables, the event log, cubes and sinks',
  about: 'By operator, for each kind that is in the topology.',
  metrics: [
    count('to_table.late', '{item}', 'Items that may be older than a forgotten deletion'),
    count('to_window_table.late', '{item}', 'Items of windows that are gone'),
    count('to_window_table.refused', '{item}', 'Items of windows before 1970 or after the year 10854'),
    count('to_jetstream.refused', '{item}', 'Items without a subject, an id or a header'),
    count('to_callback.refused', '{item}', 'Items without an id or a header'),
    level('facts.cached', '{entity}', 'Entities in memory', 'entity'),
    level('facts.memory.usage', 'By', 'Memory for entities', 'entity'),
    count('facts.displaced', '{fact}', 'Facts displaced by an earlier event'),
    count('event_log.rows_appended', '{row}', 'Rows written'),
    count('event_log.rows_dropped', '{row}', 'Rows behind a cut'),
    count('event_log.merges', '{merge}', 'Merges of segments'),
    count('event_log.rows_merged', '{row}', 'Rows written again by merges'),
    level('event_log.segments', '{segment}', 'Segments'),
    level('event_log.rows', '{row}', 'Rows kept'),
    level('event_log.size', 'By', 'Size of the segments'),
    count('cubes.full_days', '{day}', 'Days of a cube on which its cells were used up'),
    count('cubes.rows_built', '{row}', 'Rows of the log read to build cubes'),
    count('cubes.blocks_written', '{block}', 'Blocks of cells written'),
    level('cubes.touched_cells', '{cell}', 'Cells added to since the last commit'),
    level('cubes.incomplete', '{cube}', 'Cubes that are being built from the log'),
  ],
};

const analytics: MetricGroup = {
  title: 'Order analytics',
  about: 'Of the topology that comes with Millrace.',
  metrics: [
    level('dictionary.texts', '{text}', 'Texts in the dictionary'),
    count('dictionary.overflowed', '{text}', 'Texts that became `__other__`, for the dictionary is full'),
    level('ledger.cached', '{entity}', 'Entities in memory', 'entity'),
    level('ledger.memory.usage', 'By', 'Memory for entities', 'entity'),
    level('ledger.runs', '{run}', 'Runs of records', 'entity'),
    count('ledger.corrections', '{row}', 'Rows that correct earlier ones'),
    count(
      'ledger.frozen',
      '{event}',
      'Events of orders with too many to be corrected when the order changes',
    ),
    level('ledger.awaited', '{event}', 'Events that were corrected before they came'),
    count('ledger.refused', '{event}', 'Corrections of events that were not taken'),
    level('kept_events.definitions', '{definition}', 'Definitions whose events are kept'),
    level('kept_events.incomplete', '{definition}', 'Definitions that are being built from the log'),
    level('kept_events.full', '{definition}', 'Definitions that have outgrown a limit: scans answer'),
    level('kept_events.pending', '{event}', 'Events taken in since the last commit'),
    level('kept_events.size', 'By', 'Size of what is kept'),
    count('kept_events.rows_built', '{row}', 'Rows of the log read to build what definitions keep'),
    level('anomalies.rules', '{rule}', 'Rules at work'),
    level('anomalies.fits_waiting', '{fit}', 'Fits that are due and not made'),
    count('anomalies.fits', '{fit}', 'Models that were fitted beside the task'),
    count('anomalies.fits_dropped', '{fit}', 'Fits that failed or that nobody wanted any more'),
    level('anomalies.groups', '{group}', 'Groups that are judged'),
    count('anomalies.judged', '{window}', 'Windows of groups that were judged, or judged again'),
    count('anomalies.told', '{message}', 'Messages on anomalies'),
    count('anomalies.groups_left_out', '{group}', 'Groups that were not judged because a limit was reached'),
    count(
      'anomalies.frozen',
      '{correction}',
      'Corrections of groups whose windows closed too long ago to be judged again',
    ),
  ],
};

export const OPERATOR_METRICS: readonly MetricGroup[] = [
  core,
  windowsAndJoins,
  sequences,
  viewsAndSinks,
  analytics,
];
