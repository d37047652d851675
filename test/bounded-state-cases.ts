import type { BoundedCase } from './bounded-state.ts';
import { joinCases } from './bounded-state-joins.ts';
import { keyedCases } from './bounded-state-keyed.ts';
import { tableCases } from './bounded-state-tables.ts';
import { windowCases } from './bounded-state-windows.ts';

/** Every way in which an operator keeps state. */
export const cases: readonly BoundedCase[] = [...windowCases, ...joinCases, ...keyedCases, ...tableCases];
