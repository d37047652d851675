import { type AnswerMeta, useAnswer } from '../../api/index.ts';
import { Empty, formatValue, Tile } from '../../parts/index.ts';

interface CauseAnswer {
  readonly metric: string;
  readonly actual: number | null;
  readonly expected: number | null;
  readonly dimensions: readonly string[];
  readonly unexplained: number | null;
  readonly causes: readonly {
    readonly where: Readonly<Record<string, string | null>>;
    /** Of the whole change; above 1 where others offset it. */
    readonly share: number;
  }[];
  readonly meta: AnswerMeta;
}

const textOf = (where: Readonly<Record<string, string | null>>): string =>
  Object.entries(where)
    .map(([name, value]) => `${name} ${value ?? '(none)'}`)
    .join(', ');

/** Where a deviation comes from: shares of it by what its events have in common. */
export function Cause({ anomaly }: { readonly anomaly: string }) {
  const request = { path: '/anomalies/root-cause', body: { anomaly_id: anomaly } };
  const answer = useAnswer<CauseAnswer>(request);
  return (
    <Tile title="Where it comes from" answer={answer} request={request}>
      {({ causes, unexplained, dimensions, actual, expected }) => (
        <>
          <p>
            {formatValue(actual)} where {formatValue(expected)} was expected (money in minor units). Looked at{' '}
            {dimensions.join(', ')}.
          </p>
          {causes.length === 0 ? (
            <Empty>No part of the whole stands out: all of it moved alike.</Empty>
          ) : (
            <ul class="tree">
              <li>
                The whole deviation
                <ul>
                  {causes.map(({ where, share }) => (
                    <li key={textOf(where)}>
                      <meter min={0} max={1} value={Math.max(0, Math.min(1, share))} />{' '}
                      {formatValue(share, 'ratio')} {textOf(where)}
                    </li>
                  ))}
                  <li>
                    <meter min={0} max={1} value={Math.max(0, Math.min(1, unexplained ?? 0))} />{' '}
                    {formatValue(unexplained, 'ratio')} not explained
                  </li>
                </ul>
              </li>
            </ul>
          )}
        </>
      )}
    </Tile>
  );
}
