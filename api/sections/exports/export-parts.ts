import { type FileSenders, isText, type JobFiles, type RunningJob } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import type { EventSearch } from '../events/index.ts';
import type { QueryFamilies } from '../queries/index.ts';
import type { ExportInput } from './export-request.ts';

export interface ExportParts {
  readonly answers: AnswerParts;
  readonly search: EventSearch;
  readonly files: JobFiles;
  readonly families: QueryFamilies;
  /** What files are sent with. */
  readonly senders: FileSenders;
}

/** Formats that are packed already are not packed again. */
export const isPacked = ({ format, compression }: Pick<ExportInput, 'format' | 'compression'>): boolean =>
  compression && isText(format);

export function fileName(job: RunningJob, { format, compression }: ExportInput): string {
  const { job_id, attempt } = job.record;
  return `${job_id}.${attempt}.${format}${isPacked({ format, compression }) ? '.gz' : ''}`;
}
