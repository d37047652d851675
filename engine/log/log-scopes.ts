import type { KvView } from '../state/index.ts';
import { parseKey, SCOPES_RANGE } from './layout.ts';
import { decodeManifest, decodeScope, NO_CUT } from './manifest.ts';

/** What the log has of a tenant. */
export interface LogScopeDays {
  readonly scope: string;
  /** UTC day before which its rows were dropped; -Infinity: none were. */
  readonly firstDay: number;
  /** Rows by UTC day; a day may come more than once. */
  readonly days: readonly { readonly day: number; readonly rows: number }[];
}

/** Every tenant of a log, from manifests alone. */
export function logScopes(segments: KvView): LogScopeDays[] {
  const found: { scope: string; firstDay: number; days: { day: number; rows: number }[] }[] = [];
  for (const { key, value } of segments.scan(SCOPES_RANGE)) {
    const { scope, order } = parseKey(key);
    let last = found.at(-1);
    if (last?.scope !== scope) {
      last = { scope, firstDay: Number.NEGATIVE_INFINITY, days: [] };
      found.push(last);
    }
    if (order === undefined) {
      const { firstDay } = decodeScope(value);
      last.firstDay = firstDay === NO_CUT ? Number.NEGATIVE_INFINITY : firstDay;
    } else for (const { day, rows } of decodeManifest(value).days) last.days.push({ day, rows });
  }
  return found;
}
