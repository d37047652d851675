import { itIsBounded } from './bounded-state.ts';
import { joinCases } from './bounded-state-joins.ts';

itIsBounded(joinCases);
