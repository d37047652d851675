import { setFlagsFromString } from 'node:v8';

/**
 * For the worker thread that a task runs in. What lives between two commits lies outside the heap: a larger young
 * generation (48 and 96 were measured) makes nothing faster, and stays resident.
 */
export const TASK_THREAD_LIMITS = { maxYoungGenerationSizeMb: 24 } as const;

/** By how much a heap may grow until all of it is looked through, % of what lived the last time. */
const HEAP_GROWTH_PERCENT = 150;

/**
 * For the start of a process that runs tasks; holds for all of its threads. V8 counts buffers outside the heap in
 * the growth of the heap, and a task's heap is small: V8 would look through all of it after every 16 MB of buffers,
 * at each commit, in threads beside the task: 0.45 µs of CPU an event.
 */
export function letHeapsGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
}
