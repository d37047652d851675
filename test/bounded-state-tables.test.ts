import { itIsBounded } from './bounded-state.ts';
import { tableCases } from './bounded-state-tables.ts';

itIsBounded(tableCases);
