import type { MetricSample, Supervisor } from '../../engine/index.ts';
import type { HostFacts, SendFailure } from './facts.ts';

/** What of a host a diagnosis is made of. */
export function hostFacts(
  host: { readonly status: Supervisor['status']; readonly metrics: readonly MetricSample[] },
  sends: readonly SendFailure[],
): HostFacts {
  const { state, error } = host.status;
  const samples = host.metrics;
  if (error === undefined) return { state, samples, sends };
  const { code, message, operator } = error;
  const told = { code, message, ...(operator === undefined ? {} : { operator }) };
  return { state, error: told, samples, sends };
}
