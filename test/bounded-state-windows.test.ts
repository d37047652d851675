import { itIsBounded } from './bounded-state.ts';
import { windowCases } from './bounded-state-windows.ts';

itIsBounded(windowCases);
