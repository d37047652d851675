import type { ApiPorts } from '../../http/index.ts';
import { JobSchedule, type ScheduleParts } from '../jobs/index.ts';
import { ARCHIVE_JOB, type ArchiveInput } from './archive-job.ts';

/** Archives by schedule, where `ARCHIVE_AFTER` says so. */
export function archiveSchedule(
  ports: Pick<ApiPorts, 'settings' | 'clock' | 'log' | 'archive'>,
  jobs: ScheduleParts['jobs'],
): JobSchedule {
  const { after_ms, schedule } = ports.settings.archive;
  const isOn = ports.archive !== undefined && after_ms !== undefined;
  return new JobSchedule(
    { ports, jobs },
    {
      ...{ type: ARCHIVE_JOB, setting: 'ARCHIVE_SCHEDULE', schedule: isOn ? schedule : undefined },
      inputOf: (due_ms): ArchiveInput => ({ before_ms: due_ms - (after_ms ?? 0), isTrimmed: true }),
    },
  );
}
