import { toJsonText } from '../../../analytics/index.ts';
import type { JobFiles, JobRecord } from '../../../runtime/index.ts';

/** Writes an answer of a query as the file of its job. */
export async function writeAnswer(
  files: JobFiles,
  { job_id, attempt }: Pick<JobRecord, 'job_id' | 'attempt'>,
  answer: object,
): Promise<{ readonly name: string; readonly media_type: string; readonly size_bytes: number }> {
  const text = Buffer.from(toJsonText(answer));
  const name = `${job_id}.${attempt}.json`;
  files.grow(0, text.length);
  const file = await files.create(name);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return { name, media_type: 'application/json', size_bytes: text.length };
}
