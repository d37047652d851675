import type { JobRecord, Jobs } from '../../../runtime/index.ts';
import { type Answer, ApiError } from '../../http/index.ts';

/** The file of a job that has one, to be saved. 409 `wrong_state` before it is there, 410 `expired` after its time. */
export async function fileAnswer({ files }: Jobs, record: JobRecord, now_ms: number): Promise<Answer> {
  const { file, status } = record;
  if (file === null) {
    const why =
      status === 'succeeded' ? 'The job has no file.' : `The job is ${status}: there is no file of it.`;
    throw new ApiError('wrong_state', why);
  }
  return {
    status: 200,
    headers: {
      'Content-Type': file.media_type,
      'Content-Length': String(file.size_bytes),
      'Content-Disposition': `attachment; filename="${nameOf(record.type, file.name)}"`,
    },
    stream: await files.serve(file, now_ms),
  };
}

/** `export-job_….csv`: without the attempt, which is nobody's business. */
function nameOf(type: string, name: string): string {
  const [id, , ...endings] = name.split('.');
  return `${type}-${[id, ...endings].join('.')}`;
}
