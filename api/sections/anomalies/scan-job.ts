import type { ScanQuery } from '../../../analytics/index.ts';
import type { JobFiles, JobKind } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, familyView, runQuery, wishOf } from '../../answers/index.ts';
import { type Answer, ApiError, allows, type RawCall } from '../../http/index.ts';
import { createJob, type JobMaking, patiently, writeAnswer } from '../jobs/index.ts';

const SCAN_JOB = 'anomaly_scan';
/** A query that somebody waits for has half a minute. */
const DEADLINE_MS = 600_000;

/** 202 with the job that scans. Its result lies on the disk, so it is for the roles that may make exports. */
export function makeScanJob(making: JobMaking, call: RawCall, query: ScanQuery): Promise<Answer> {
  if (!allows(call.principal, 'exports:create')) {
    throw new ApiError('role_forbidden', 'Scans as jobs are for analysts and admins. Ask without `async`.');
  }
  return createJob(making, call, { type: SCAN_JOB, input: query, progress: { total: 1, unit: 'queries' } });
}

/** Scans without anybody waiting; the answer is the job's file. */
export function scanJobKind(parts: AnswerParts, files: JobFiles): JobKind {
  const { queries } = analyticsOf(parts.ports.settings);
  const { clock } = parts.ports;
  return {
    type: SCAN_JOB,
    lane: 'query',
    run: async ({ record, signal, advance }) => {
      const { tenant, created_by } = record;
      const query = record.input as ScanQuery;
      const asker = { request: { signal }, tenant, principal: { key_id: created_by } };
      const wish = { wish: wishOf(query), deadline_ms: DEADLINE_MS };
      const { answer, state } = await patiently({ signal, clock }, () =>
        runQuery(parts, asker, queries.anomalies, query, wish),
      );
      const file = await writeAnswer(files, record, familyView(parts, state, tenant, answer));
      advance({ done: 1, total: 1, unit: 'queries' });
      const dimensions = [...query.rule.group_by, ...Object.keys(query.rule.filters)];
      return { result: null, file: { ...file, shows: { masked: null, dimensions } } };
    },
  };
}
