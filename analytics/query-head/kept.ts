import type { ScanPlan } from '../../engine/index.ts';
import { formatUtc, QueryError } from '../query/index.ts';

/** That the log begins at a time, and what follows from it. */
export function keptFrom(cut_ms: number, so: string): string {
  return `Events before ${formatUtc(cut_ms)} are no longer kept: ${so}`;
}

/** What needs events that the log has forgotten; `so` says what to ask for instead. */
export function behindRetention(cut_ms: number, so: string, path = 'start'): QueryError {
  const message = keptFrom(cut_ms, so);
  return new QueryError('behind_retention', message, [{ path, message }]);
}

/** Throws QueryError `behind_retention` where the log has forgotten what a query needs from `start_ms` on. */
export function requireKept({ request }: Pick<ScanPlan, 'request'>, start_ms: number, path = 'start'): void {
  if (request.start_ms > start_ms)
    throw behindRetention(request.start_ms, 'this asks for them, so begin later.', path);
}
