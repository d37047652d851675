import { z } from 'zod';
import { LOG_UPKEEP_KIND } from '../../../analytics/index.ts';
import { asMillraceError, type LogUpkeepMode } from '../../../engine/index.ts';
import type { DefinitionKind, KindDefinitions } from '../../../runtime/index.ts';

/** What a job asks the task for, as long as it runs. */
const bodySchema = z.strictObject({
  mode: z.enum(['retention', 'compaction']),
  scopes: z.array(z.string()).optional(),
});

export type UpkeepRequests = KindDefinitions<UpkeepRequest>;
type UpkeepRequest = z.infer<typeof bodySchema>;

/** One of each mode and tenant at a time would be enough; a process that was killed may leave one behind for a while. */
export const UPKEEP_REQUESTS: DefinitionKind<UpkeepRequest> = {
  kind: LOG_UPKEEP_KIND,
  schema: bodySchema,
  limit: 100,
};

interface Asked {
  readonly job_id: string;
  readonly tenant: string;
  readonly mode: LogUpkeepMode;
  readonly tenants: readonly string[] | undefined;
}

/** Asks the task, unless that is asked already; gives the id of what asks. */
export async function askFor(
  requests: UpkeepRequests,
  { job_id, tenant, mode, tenants }: Asked,
): Promise<string> {
  const known = requests.byName(tenant, job_id);
  if (known !== undefined) return known.id;
  const body = { mode, ...(tenants === undefined ? {} : { scopes: tenants }) };
  const made = await requests.create(tenant, { name: job_id, body, created_by: job_id });
  return made.id;
}

/** What is gone is gone. */
export async function takeBack(
  requests: UpkeepRequests,
  { job_id, tenant }: Pick<Asked, 'job_id' | 'tenant'>,
): Promise<void> {
  const known = requests.byName(tenant, job_id);
  if (known === undefined) return;
  try {
    await requests.delete(tenant, known.id);
  } catch (error) {
    if (asMillraceError(error).code !== 'not_found') throw error;
  }
}
