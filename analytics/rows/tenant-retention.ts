import { MillraceError } from '../../engine/index.ts';

/** The kind of definition that is what a tenant has set. */
export const SETTINGS_KIND_NAME = 'settings';
export const MAX_RETENTION_DAYS = 36_500;

/** Whole UTC days of rows that the settings of a tenant keep; undefined: all. Throws `bad_retention`. */
export function retentionDaysOf(settings: unknown): number | undefined {
  const { retention_days } = settings as { readonly retention_days?: unknown };
  if (retention_days === undefined || retention_days === null) return undefined;
  const days = Number(retention_days);
  if (Number.isInteger(days) && days >= 1 && days <= MAX_RETENTION_DAYS) return days;
  throw new MillraceError(
    'bad_retention',
    `retention_days is ${JSON.stringify(retention_days)}: it must be a whole number of days, 1 to ${MAX_RETENTION_DAYS}.`,
  );
}
