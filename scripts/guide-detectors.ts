import { type Guide, table } from './guide.ts';

export const detectorsGuide: Guide = {
  name: 'detectors',
  title: 'Detectors of anomalies',
  summary: 'Judging series of windows as they close, each from a state of bytes',
  parts: [
    '`createDetector({ method, sensitivity, window_ms })` judges series that it does not hold: what it knows of one is bytes, for a row of a table or the state of [`keyedProcess`](process.md). [Anomalies](../anomalies.md) has the methods, what a sensitivity means, and how a correction is judged.',
    table(
      ['method', 'for'],
      [
        ['`auto`', 'chosen from the series’ own history: what to take without a reason for another'],
        ['`zscore`', 'a level with noise'],
        ['`seasonal_esd`', 'seasons of a week or a day'],
        [
          '`prophet`',
          'trends that bend, seasons of the day, the week and the year; fitted beside the stream',
        ],
      ],
    ),
    '`seasonalEsd(values, { period })` is seasonal hybrid ESD of a whole series, as published.',
  ],
};
