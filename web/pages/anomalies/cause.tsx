import { useSignal } from '@preact/signals';
import { type Definition, useMetrics } from '../../answers/index.ts';
import { type AnswerMeta, type ApiRequest, useAnswer } from '../../api/index.ts';
import { Empty, formatValue, Problem, Tile } from '../../parts/index.ts';

type Where = Readonly<Record<string, string | null>>;

interface CauseAnswer {
  readonly metric: string;
  readonly actual: number | null;
  readonly expected: number | null;
  readonly dimensions: readonly string[];
  readonly unexplained: number | null;
  readonly causes: readonly {
    readonly where: Where;
    /** Of the whole change; above 1 where others offset it. */
    readonly share: number;
  }[];
  readonly meta: AnswerMeta;
}

/** What is asked about. */
export interface Found {
  readonly id: string;
  readonly rule_id: string | null;
  readonly metric: string | null;
  readonly start: string;
  readonly text: string;
  readonly currency?: string | null;
  readonly group?: Where;
}

const textOf = (where: Where): string =>
  Object.entries(where)
    .map(([name, value]) => `${name} ${value ?? '(none)'}`)
    .join(', ');

/** The same question of the events that have all of this in common. */
function requestOf(found: Found, rule: Definition, where: Where, dimensions: readonly string[]): ApiRequest {
  const { metric, window, timezone, filters } = rule;
  const own = typeof filters === 'object' ? filters : {};
  const currency =
    found.currency === null || found.currency === undefined ? {} : { currency: found.currency };
  const body = {
    rule: { metric, window, timezone, filters: { ...own, ...found.group, ...where } },
    ...{ start: found.start, dimensions: dimensions.filter((name) => !(name in where)) },
    ...currency,
  };
  return { path: '/anomalies/root-cause', body };
}

const sumText = (
  { actual, expected }: CauseAnswer,
  unit: string | undefined,
  currency: string | null | undefined,
): string =>
  `${formatValue(actual, unit, currency)} where ${formatValue(expected, unit, currency)} was expected`;

interface BranchProps {
  readonly found: Found;
  /** Undefined while it is not known: then nothing can be looked into. */
  readonly rule: Definition | undefined;
  readonly where: Where;
  readonly answer: CauseAnswer;
}

/** The shares of a deviation; each can be looked into. */
function Branch({ found, rule, where, answer }: BranchProps) {
  const { causes, unexplained, dimensions } = answer;
  if (causes.length === 0) return <p class="hint">No part of it stands out: all of it moved alike.</p>;
  return (
    <ul>
      {causes.map((cause) => (
        <li key={textOf(cause.where)}>
          <Share share={cause.share} text={textOf(cause.where)} />
          {rule !== undefined && dimensions.some((name) => !(name in cause.where)) && (
            <Inside {...{ found, rule, dimensions }} where={{ ...where, ...cause.where }} />
          )}
        </li>
      ))}
      {(unexplained ?? 0) > 0 && (
        <li>
          <Share share={unexplained ?? 0} text="not explained" />
        </li>
      )}
    </ul>
  );
}

function Share({ share, text }: { readonly share: number; readonly text: string }) {
  return (
    <>
      <meter aria-label={text} min={0} max={1} value={Math.max(0, Math.min(1, share))} />{' '}
      {formatValue(share, 'ratio')} {text}{' '}
    </>
  );
}

interface InsideProps extends Pick<BranchProps, 'found' | 'where'> {
  readonly rule: Definition;
  readonly dimensions: readonly string[];
}

/** What a part of a deviation comes from itself, asked when it is opened. */
function Inside({ found, rule, where, dimensions }: InsideProps) {
  const isOpen = useSignal(false);
  const { metrics } = useMetrics();
  const { data, problem } = useAnswer<CauseAnswer>(
    isOpen.value ? requestOf(found, rule, where, dimensions) : null,
  );
  return (
    <>
      <button
        type="button"
        class="plain"
        aria-expanded={isOpen.value}
        aria-label={`Inside ${textOf(where)}`}
        onClick={() => {
          isOpen.value = !isOpen.value;
        }}
      >
        {isOpen.value ? 'Close' : 'Look inside'}
      </button>
      {isOpen.value && problem !== undefined && <Problem problem={problem} />}
      {isOpen.value && data !== undefined && (
        <>
          <p class="hint">{sumText(data, metrics.get(data.metric)?.unit, found.currency)}</p>
          <Branch {...{ found, rule, where }} answer={data} />
        </>
      )}
    </>
  );
}

/** Where a deviation comes from: shares of it by what its events have in common, as deep as one looks. */
export function Cause({ found }: { readonly found: Found }) {
  const request = { path: '/anomalies/root-cause', body: { anomaly_id: found.id } };
  const answer = useAnswer<CauseAnswer>(request);
  const rule = useAnswer<Definition>(
    found.rule_id === null ? null : { path: `/anomalies/rules/${found.rule_id}` },
  );
  const { metrics } = useMetrics();
  return (
    <Tile title="Where it comes from" answer={answer} request={request} reserve={[260, 180]}>
      {(data) => (
        <>
          <p>{found.text}</p>
          <p>
            {sumText(data, metrics.get(data.metric)?.unit, found.currency)}. Looked at{' '}
            {data.dimensions.join(', ')}.
          </p>
          {data.causes.length === 0 ? (
            <Empty>No part of the whole stands out: all of it moved alike.</Empty>
          ) : (
            <div class="tree">
              The whole deviation
              <Branch found={found} rule={rule.data} where={{}} answer={data} />
            </div>
          )}
        </>
      )}
    </Tile>
  );
}
