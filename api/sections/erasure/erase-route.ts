import { z } from 'zod';
import { type ApiPorts, type Route, route } from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema } from '../jobs/index.ts';
import { ERASE_JOB, sealedCustomer } from './erase-job.ts';

/** Section 11: forgetting a person. */
export function eraseRoute(parts: JobMaking & { readonly ports: ApiPorts }): Route {
  return route({
    id: 'eraseCustomer',
    method: 'POST',
    path: '/customers/{customerId}/erase',
    tag: 'Customers',
    summary: 'Erase a person, without changing a number',
    description:
      'A job: each message with an event of the customer, or of an order or session of theirs that names no other ' +
      'customer, is replaced by what numbers are made of, under a pseudonym, and deleted from the stream, its bytes ' +
      'overwritten; dead letters, archive, and what was told of them likewise. Its result is the report.',
    permission: 'customers:erase',
    params: z.object({ customerId: z.string().min(1).max(128).describe('`customer_id`, percent-encoded') }),
    answers: { 202: { description: 'The job', schema: jobSchema, example: JOB_EXAMPLE } },
    problems: ['too_many_jobs', 'kv_unavailable', 'idempotency_key_reused', 'idempotency_in_flight'],
    handle: (call) => {
      const { tenant, params } = call;
      const input = { sealed: sealedCustomer(parts.ports, tenant, params.customerId) };
      return createJob(parts, call, { type: ERASE_JOB, input, progress: { total: null, unit: 'messages' } });
    },
  });
}
