import { forecastSeries } from '../../analytics/index.ts';
import { asMillraceError } from '../../engine/index.ts';
import type { ForecastOutcome, ForecastTask } from './forecast-message.ts';

/** What is wrong with a series is its own outcome. */
export function outcomeOf({ series, method, horizon }: ForecastTask): ForecastOutcome {
  try {
    return { forecast: forecastSeries(series, { method, horizon }) };
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return { error: { code, message } };
  }
}
