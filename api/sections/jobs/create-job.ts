import { createHash } from 'node:crypto';
import type { Jobs, NewJob } from '../../../runtime/index.ts';
import {
  type Answer,
  type Idempotency,
  idempotencyKeyOf,
  type RawCall,
  type StoredAnswer,
} from '../../http/index.ts';
import { jobLocation, jobView } from './job-view.ts';
import { storedAnswer } from './stored-answer.ts';

export interface JobMaking {
  readonly jobs: Jobs;
  readonly once: Idempotency;
}

/** Makes a job for a call, once by its `Idempotency-Key`: 202 with where it is followed. */
export async function createJob(
  { jobs, once }: JobMaking,
  call: RawCall,
  job: Omit<NewJob, 'tenant' | 'created_by'>,
  /** Throws where there may be none now; a repeat of a request is not asked. */
  check: () => void = () => undefined,
): Promise<Answer> {
  const key = idempotencyKeyOf(call.request);
  const work = async (): Promise<StoredAnswer> => {
    check();
    const record = await jobs.create({ ...job, tenant: call.tenant, created_by: call.principal.key_id });
    const headers = { Location: jobLocation(call.base, record.job_id) };
    return { status: 202, headers, body: JSON.stringify(jobView(record)) };
  };
  if (key === undefined) return storedAnswer(await work(), false);
  const fingerprint = createHash('sha256').update(JSON.stringify(job.input)).digest('hex');
  const { answer, replayed } = await once.once([call.tenant, job.type], key, fingerprint, work);
  return storedAnswer(answer, replayed);
}
