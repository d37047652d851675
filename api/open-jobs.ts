import { join } from 'node:path';
import { adoptEarlierJobs, diskIdOf, JobFiles, type JobKind, Jobs } from '../runtime/index.ts';
import type { AnswerParts } from './answers/index.ts';
import type { ApiPorts } from './http/index.ts';
import { scanJobKind } from './sections/anomalies/index.ts';
import { type ExportParts, exportKind } from './sections/exports/index.ts';
import { bulkKind, Spool } from './sections/ingest/index.ts';
import { backfillKinds, rollupKind } from './sections/jobs/index.ts';
import { queryKind } from './sections/kpis/index.ts';

/** Opens the jobs with all their kinds, and what an earlier version left of its own. */
export async function openJobs(
  ports: ApiPorts,
  answers: AnswerParts,
  exporting: Omit<ExportParts, 'files'>,
  others: (files: JobFiles, spool: Spool) => readonly JobKind[],
): Promise<{ readonly jobs: Jobs; readonly spool: Spool }> {
  const { settings, clock, log, backfill } = ports;
  const { dataDir } = settings;
  const files = new JobFiles(join(dataDir, 'job-files'), await diskIdOf(dataDir), settings.jobs);
  await files.open();
  const spool = new Spool(join(dataDir, 'spool'), settings.bulk);
  const jobs = new Jobs({ ...ports.jobs, files, clock, log, queued_max: settings.jobs.queued_max });
  const bulk = bulkKind({ spool, ports });
  const kinds = [
    bulk,
    exportKind({ ...exporting, files }),
    queryKind(answers, files),
    scanJobKind(answers, files),
    ...others(files, spool),
  ];
  for (const kind of backfill === undefined
    ? kinds
    : [...kinds, ...backfillKinds(backfill), rollupKind(backfill, ports)])
    jobs.register(kind);
  await jobs.open();
  await adoptEarlierJobs(join(dataDir, 'jobs'), jobs, { errors: ports.jobs.errors, lane: bulk.lane, log });
  await spool.open(jobs.unfinished());
  return { jobs, spool };
}
