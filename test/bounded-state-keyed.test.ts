import { itIsBounded } from './bounded-state.ts';
import { keyedCases } from './bounded-state-keyed.ts';

itIsBounded(keyedCases);
