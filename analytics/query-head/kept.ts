import type { ScanPlan } from '../../engine/index.ts';
import { formatUtc, QueryError } from '../query/index.ts';

/** Throws QueryError `behind_retention` where the log has forgotten what a query needs from `start_ms` on. */
export function requireKept({ request }: Pick<ScanPlan, 'request'>, start_ms: number, path = 'start'): void {
  if (request.start_ms <= start_ms) return;
  const first = formatUtc(request.start_ms);
  const message = `Events before ${first} are no longer kept, and this asks for them: begin later.`;
  throw new QueryError('behind_retention', message, [{ path, message }]);
}
