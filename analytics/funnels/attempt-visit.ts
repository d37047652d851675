import type { Cancel } from '../../engine/index.ts';
import type { AttemptView } from '../kept-attempts/index.ts';
import type { FunnelCounter } from './funnel-counts.ts';

interface AttemptVisit {
  readonly attempts: AttemptView;
  /** Entries in [start_ms, end_ms) count. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** Attempts that began after it and did not convert are in progress. */
  readonly openAfter_ms: number;
  readonly cancel: Cancel;
}

/** Each entity that enters a kept funnel in a range, by its attempt that counts there: what a scan finds. */
export function visitAttempts(
  { attempts, start_ms, end_ms, openAfter_ms, cancel }: AttemptVisit,
  counter: Pick<FunnelCounter, 'addSelected'>,
): void {
  for (const block of attempts.blocks(start_ms, end_ms)) {
    cancel.check();
    block.select(start_ms, end_ms);
    counter.addSelected(block, openAfter_ms);
  }
}
