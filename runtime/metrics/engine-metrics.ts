import { counter, gauge, histogram, type MetricGroup } from './metric-spec.ts';

const task: MetricGroup = {
  title: 'Task',
  about: 'Of every topology that runs. Counters begin at 0 with each run of the task.',
  metrics: [
    counter('millrace.task.records', '{record}', 'Records of the stream applied and committed'),
    counter('millrace.task.commits', '{commit}', 'Commits'),
    counter('millrace.task.commit.time', 's', 'Time spent in commits'),
    gauge('millrace.task.position', '{sequence}', 'Last applied stream sequence', 'source'),
    gauge('millrace.task.lag', '{record}', 'Records in the streams that are not applied yet'),
    gauge(
      'millrace.task.sources_held',
      '{source}',
      'Sources that wait because they are ahead of others in event time',
    ),
    gauge(
      'millrace.task.sources_degraded',
      '{source}',
      'Sources that cannot read in their usual way, and take more CPU',
    ),
    gauge('millrace.task.uncommitted', '{record}', 'Records applied since the last commit'),
    counter('millrace.task.skipped', '{record}', 'Records the stream dropped before they were read'),
    counter('millrace.task.failing_records', '{record}', 'Records put aside, for they fail'),
    gauge('millrace.watermark.timestamp', 's', 'Watermark, since 1970', 'operator'),
    gauge('millrace.outbox.owed', '{message}', 'Messages that are owed to the outside'),
    gauge('millrace.outbox.failing', '{subject}', 'Subjects whose messages cannot be sent'),
    counter(
      'millrace.outbox.duplicates',
      '{message}',
      'Messages sent for the first time whose id the receiver had already: they are not stored',
    ),
    counter('millrace.outbox.dropped', '{message}', 'Messages that were removed by "millrace outbox drop"'),
    counter('millrace.outbox.retries', '{send}', 'Sends that had to be repeated'),
    counter('millrace.outbox.refused', '{message}', 'Messages that the receiver will never take'),
    counter(
      'millrace.deadletters.summed',
      '{letter}',
      'Dead letters put together, for their tenant had too many',
    ),
    gauge('millrace.state.size', 'By', 'Size of the state file'),
    gauge('millrace.control.definitions', '{definition}', 'Definitions of the last commit'),
    gauge('millrace.control.refused', '{definition}', 'Definitions that an operator or a limit refuses'),
    gauge('millrace.control.revision', '{revision}', 'The newest revision seen of the bucket of definitions'),
  ],
};

const operators: MetricGroup = {
  title: 'Operators',
  about: 'Of every operator of a topology.',
  metrics: [
    counter(
      'millrace.operator.received',
      '{item}',
      'Items that came to an operator; of columns, rows',
      'operator',
    ),
    counter(
      'millrace.operator.emitted',
      '{item}',
      'Items that an operator or a source gave; of columns, rows',
      'operator',
      'output',
    ),
    gauge(
      'millrace.operator.due.timestamp',
      's',
      'Watermark at which a timer or a window of the operator is due next, since 1970',
      'operator',
    ),
  ],
};

const queries: MetricGroup = {
  title: 'Queries',
  about: 'Of a service that runs queries in scan threads: the order analytics.',
  metrics: [
    gauge('millrace.query.begun', '{query}', 'Queries that are begun and not answered'),
    gauge('millrace.query.running', '{query}', 'Queries that run in scan threads'),
    gauge('millrace.query.waiting', '{query}', 'Queries that wait for a place among the running'),
    gauge('millrace.query.threads', '{thread}', 'Scan threads'),
    gauge('millrace.query.threads_busy', '{thread}', 'Scan threads that run a part of a query'),
    counter('millrace.query.answered', '{query}', 'Queries that were answered', 'kind', 'ran'),
    counter('millrace.query.failed', '{query}', 'Queries without an answer', 'kind', 'code'),
    counter('millrace.query.rows', '{row}', 'Rows of the log that answers were made of', 'kind'),
    counter('millrace.query.cells', '{cell}', 'Cells of cubes that answers were made of', 'kind'),
    counter(
      'millrace.query.planned.time',
      's',
      'CPU time that plans of answered queries estimated, threads only',
      'kind',
    ),
    counter('millrace.query.thread.time', 's', 'Time of scan threads', 'kind'),
    counter(
      'millrace.query.stale_plans',
      '{plan}',
      'Plans that were overtaken by a merge and made again',
      'kind',
    ),
  ],
};

const http: MetricGroup = {
  title: 'HTTP and the process',
  about:
    'Of every process that serves HTTP. Names and labels are those of OpenTelemetry’s semantic conventions.',
  metrics: [
    histogram(
      'http.server.request.duration',
      's',
      'Duration of HTTP requests',
      'http.route',
      'http.request.method',
      'http.response.status_code',
    ),
    gauge('http.server.active_requests', '{request}', 'HTTP requests that are being answered'),
    gauge('process.memory.usage', 'By', 'Resident memory'),
    gauge('process.uptime', 's', 'Time since the process started'),
  ],
};

const audit: MetricGroup = {
  title: 'Audit log',
  about: 'Of `start` ([access](access.md#audit-log)).',
  metrics: [
    counter('millrace.audit.stored', '{entry}', 'Entries of the audit log that are stored'),
    counter('millrace.audit.failed', '{entry}', 'Tries to store entries that failed'),
    counter(
      'millrace.audit.refused',
      '{request}',
      'Requests that were refused, for they could not have been audited',
    ),
    gauge('millrace.audit.waiting', '{entry}', 'Entries that wait to be stored'),
    gauge('millrace.audit.waiting.limit', '{entry}', 'Of them, where requests are refused'),
  ],
};

const keys: MetricGroup = {
  title: 'API keys',
  about: 'Of the order analytics.',
  metrics: [
    counter(
      'millrace.keys.refused',
      '{record}',
      'Records of API keys that are ignored: this installation did not write them',
    ),
  ],
};

const dimensions: MetricGroup = {
  title: 'Dimensions of tenants',
  about: 'Of `start`.',
  metrics: [
    gauge('millrace.dimensions.defined', '{dimension}', 'Dimensions that tenants have defined', 'state'),
    gauge(
      'millrace.dimensions.build.share',
      '{share}',
      'Of the build that gives them their columns: the share of the stream that is read; 0 while none runs',
    ),
    counter('millrace.dimensions.builds', '{build}', 'Builds that have ended', 'outcome'),
  ],
};

const traffic: MetricGroup = {
  title: 'What callers take',
  about: 'Of `start`. The limits are settings ([operations](operations.md#settings)).',
  metrics: [
    gauge('millrace.http.bodies.held', 'By', 'Request bodies in memory'),
    gauge('millrace.http.bodies.held.limit', 'By', 'They take at most so much'),
    gauge('millrace.http.bodies.receiving', '{body}', 'Request bodies that are on their way'),
    counter(
      'millrace.http.bodies.refused',
      '{body}',
      'Request bodies without room, by whose was used up',
      'of',
    ),
    counter('millrace.http.bodies.slow', '{body}', 'Request bodies that came too slowly'),
    gauge(
      'millrace.http.pipelined',
      '{request}',
      'Requests that wait for the one before on their connection',
    ),
    counter(
      'millrace.http.pipelined.refused',
      '{request}',
      'Requests that too many waited before on their connection',
    ),
    counter(
      'millrace.http.pipelined.dropped',
      '{request}',
      'Requests that were not begun, for their client had left',
    ),
    gauge('millrace.bulk.uploads', '{upload}', 'Bulk uploads that arrive'),
    gauge('millrace.bulk.uploads.limit', '{upload}', 'Bulk uploads that may arrive at once'),
    gauge('millrace.bulk.spool.size', 'By', 'Bulk uploads on disk'),
    gauge('millrace.bulk.spool.size.limit', 'By', 'They take at most so much'),
  ],
};

export const ENGINE_METRICS: readonly MetricGroup[] = [
  ...[task, operators, queries, http, traffic, keys, audit, dimensions],
];
