import { type JobOutcome, type RunningJob, sendFile } from '../../../runtime/index.ts';
import { timeText } from '../../http/index.ts';
import { patiently } from '../jobs/index.ts';
import type { ExportParts } from './export-parts.ts';
import type { ExportInput } from './export-request.ts';

/** Sends the file of an export where it is to go, and says so in its result. */
export async function deliver(
  { senders, files, answers }: ExportParts,
  { record, signal }: RunningJob,
  { destination, format }: ExportInput,
  outcome: JobOutcome,
): Promise<JobOutcome> {
  const { file } = outcome;
  if (destination === undefined || file === undefined) return outcome;
  const { job_id, report } = record;
  const packed = file.name.endsWith('.gz') ? '.gz' : '';
  const title = report?.name ?? 'Export';
  const day = timeText(report?.due_ms ?? record.created_at_ms)
    .slice(0, 16)
    .replaceAll(/[:T]/g, '-');
  const slug = title.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-');
  const name = `${slug}-${day}-${job_id.slice(-8)}.${format}${packed}`;
  const { rows } = outcome.result as { readonly rows?: number };
  const sent = await patiently({ signal, clock: answers.ports.clock }, () =>
    sendFile(
      senders,
      destination,
      {
        ...{ path: files.path(file.name), name, media_type: file.media_type, size_bytes: file.size_bytes },
        ...{ id: job_id, subject: title, text: `${title}: ${rows ?? 0} rows, ${name}.` },
      },
      signal,
    ),
  );
  return { ...outcome, result: { ...(outcome.result as object), sent_to: sent } };
}
