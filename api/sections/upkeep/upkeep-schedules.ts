import type { JobKind } from '../../../runtime/index.ts';
import { JobSchedule, type ScheduleParts } from '../jobs/index.ts';
import { UPKEEP_MODES, type UpkeepInput, type UpkeepParts, upkeepKind } from './upkeep-job.ts';

/** Both kinds of job. */
export const upkeepKinds = (parts: UpkeepParts): readonly JobKind[] =>
  UPKEEP_MODES.map((mode) => upkeepKind(mode, parts));

/** Retention and compaction by schedule. */
export function upkeepSchedules({ ports }: UpkeepParts, jobs: ScheduleParts['jobs']): readonly JobSchedule[] {
  const { retention_schedule, compaction_schedule, min_free_share } = ports.settings.upkeep;
  const compaction: UpkeepInput = min_free_share === undefined ? {} : { min_free_share };
  return [
    new JobSchedule(
      { ports, jobs },
      {
        ...{ type: 'retention', setting: 'RETENTION_SCHEDULE', schedule: retention_schedule },
        inputOf: (): UpkeepInput => ({}),
      },
    ),
    new JobSchedule(
      { ports, jobs },
      {
        ...{ type: 'compaction', setting: 'COMPACTION_SCHEDULE', schedule: compaction_schedule },
        inputOf: () => compaction,
      },
    ),
  ];
}
