import type { Guide } from './guide.ts';
import { aggregatesGuide } from './guide-aggregates.ts';
import { detectorsGuide } from './guide-detectors.ts';
import { eventTimeGuide } from './guide-event-time.ts';
import { queryTableGuide } from './guide-query-table.ts';
import { windowsGuide } from './guide-windows.ts';

/** The overview pages, in the order in which they are listed. */
export const guides: readonly Guide[] = [
  eventTimeGuide,
  windowsGuide,
  aggregatesGuide,
  queryTableGuide,
  detectorsGuide,
];
