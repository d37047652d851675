import { z } from 'zod';
import { BODY_PROBLEMS, HEAD_PROBLEMS } from '../../answers/index.ts';
import { type ProblemCode, type RawCall, type Route, route } from '../../http/index.ts';
import { type Asking, answerMetaSchema, type Inquiries } from '../asking/index.ts';
import { ECOMMERCE } from './face.ts';
import { PERIOD_MEMBERS, type Period, type PeriodParams, periodOf, periodSchema } from './periods.ts';

/** An endpoint over a period: its own parameters and its answer. */
interface EndpointSpec<Q extends z.ZodRawShape, P extends z.ZodType> {
  readonly id: string;
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  readonly query?: Q;
  readonly query_example?: Readonly<Record<string, string>>;
  readonly answer: z.ZodRawShape;
  readonly problems?: readonly ProblemCode[];
  answerOf(
    asking: Asking,
    call: RawCall & { readonly params: z.output<P>; readonly query: z.output<z.ZodObject<Q>> },
    period: Period,
  ): Promise<Readonly<Record<string, unknown>>>;
}

/** What the answers of the first API may be refused with. */
const ASKED_PROBLEMS = [
  ...new Set<ProblemCode>([...HEAD_PROBLEMS, 'currency_required', 'fx_rate_missing', 'too_many_points']),
].filter((code) => !(BODY_PROBLEMS as readonly ProblemCode[]).includes(code));

export const currencyMember = z.string().nullable().describe('Of the money; null where there is none');
export const amount = z.number().nullable().describe('Major units of `currency`');
export const rate = z.number().nullable().describe('A fraction; null where it divides by zero');
export const count = z.number();

/** An endpoint of the e-commerce API, whose answer says its period. */
export function endpoint<Q extends z.ZodRawShape, P extends z.ZodType = z.ZodUndefined>(
  inquiries: Inquiries,
  spec: EndpointSpec<Q, P>,
): Route {
  const { id, path, summary, description, params, query_example, answer, problems = [] } = spec;
  const query = z.strictObject({ ...PERIOD_MEMBERS, ...spec.query });
  return route({
    ...{ id, method: 'GET' as const, path, tag: 'E-commerce', summary, face: ECOMMERCE },
    ...(description === undefined ? {} : { description }),
    ...(query_example === undefined ? {} : { query_example }),
    ...(params === undefined ? {} : { params }),
    permission: 'kpis:read',
    query,
    answers: {
      200: {
        description: summary,
        schema: z.object({ period: periodSchema, ...answer, meta: answerMetaSchema }),
      },
    },
    problems: [...new Set([...ASKED_PROBLEMS, ...problems])],
    handle: async (call) => {
      const period = periodOf(inquiries, call, call.query as PeriodParams);
      const given = {
        ...call,
        params: call.params as z.output<P>,
        query: call.query as z.output<z.ZodObject<Q>>,
      };
      const { answer: own, meta } = await inquiries.answered((asking) =>
        spec.answerOf(asking, given, period),
      );
      return { status: 200, json: { period: period.said, ...own, meta } };
    },
  });
}
