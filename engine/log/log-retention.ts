import { NO_CUT } from './manifest.ts';
import type { ScopeSegments } from './scope-segments.ts';
import { type LogTables, readManifest, removeSegment } from './segment-merge.ts';

/**
 * Moves the cut of a tenant to a UTC day: segments that lie wholly before it go at once, those that it cuts
 * through when they are merged next; no scan shows what is before it. Never moves back. Inside a commit. Says how
 * many rows it hid.
 */
export function cutScope(tables: LogTables, scope: ScopeSegments, firstDay: number): number {
  if (firstDay <= scope.firstDay) return 0;
  scope.firstDay = firstDay;
  let hidden = 0;
  const kept = scope.entries.filter((entry) => {
    if (entry.firstDay >= firstDay) return true;
    const manifest = readManifest(tables.segments, entry.key);
    const live = scope.liveRows(manifest);
    hidden += entry.liveRows - live;
    entry.liveRows = live;
    if (live === 0) removeSegment(tables, { key: entry.key, manifest });
    return live > 0;
  });
  scope.entries.splice(0, scope.entries.length, ...kept);
  scope.store(tables.segments);
  return hidden;
}

/** The day to cut a tenant at so that about `max_bytes` are left: its newest day stays, however large it is. */
export function dayBySize(tables: LogTables, scope: ScopeSegments, max_bytes: number): number {
  const total = scope.liveBytes;
  if (total <= max_bytes) return NO_CUT;
  const bytesOf = new Map<number, number>();
  for (const { key, bytes, rows } of scope.entries) {
    for (const day of readManifest(tables.segments, key).days) {
      if (day.day < scope.firstDay) continue;
      bytesOf.set(day.day, (bytesOf.get(day.day) ?? 0) + (bytes * day.rows) / rows);
    }
  }
  const days = [...bytesOf.keys()].sort((a, b) => a - b);
  let left = total;
  let at = 0;
  for (; at < days.length - 1 && left > max_bytes; at++) left -= bytesOf.get(days[at] as number) ?? 0;
  return days[at] ?? NO_CUT;
}
