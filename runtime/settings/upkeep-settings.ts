import { z } from 'zod';

const schedule = (what: string) =>
  z
    .string()
    .regex(/^\S+(\s+\S+){4}$/, 'must be a cron expression of five fields, such as "30 3 * * *"')
    .optional()
    .describe(`When ${what}: a cron expression of five fields, in UTC; absent: never`);

/** Of jobs that keep the state small. */
export const upkeepFields = {
  RETENTION_SCHEDULE: schedule('what is behind the cuts of retention is removed from the store'),
  COMPACTION_SCHEDULE: schedule('segments of the event log are merged'),
  COMPACTION_MIN_FREE_SHARE: z
    .string()
    .optional()
    .transform((text, context) => {
      if (text === undefined || text === '') return undefined;
      const share = Number(text);
      if (share >= 0 && share <= 1) return share;
      context.addIssue('must be a share from 0 to 1, such as 0.3');
      return z.NEVER;
    })
    .describe(
      'With COMPACTION_SCHEDULE: the share of the state file that has to be free for its free pages to be given back; absent: they stay',
    ),
};

type UpkeepFields = z.infer<z.ZodObject<typeof upkeepFields>>;

/** What the settings say of the upkeep of the state. */
export interface UpkeepSettings {
  /** undefined: never. */
  readonly retention_schedule: string | undefined;
  readonly compaction_schedule: string | undefined;
  /** undefined: free pages stay. */
  readonly min_free_share: number | undefined;
}

export const upkeepOf = (s: UpkeepFields): UpkeepSettings => ({
  retention_schedule: s.RETENTION_SCHEDULE,
  compaction_schedule: s.COMPACTION_SCHEDULE,
  min_free_share: s.COMPACTION_MIN_FREE_SHARE,
});
