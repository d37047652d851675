const TICK_MS = 10;
/** A tick that took longer than this was a process that did not run. */
const MAX_TICK_MS = 200;

/**
 * Measures, in ms, how long this process has been running and waiting since the call. Time in which the machine did
 * not run it (a stopped or starved virtual machine) counts as `MAX_TICK_MS` at most, so that an upper bound on a
 * wait means the same on a busy machine. Call the returned function once, at the end.
 */
export function runningTime(): () => number {
  let last_ms = performance.now();
  let sum_ms = 0;
  const add = (): void => {
    const now_ms = performance.now();
    sum_ms += Math.min(now_ms - last_ms, MAX_TICK_MS);
    last_ms = now_ms;
  };
  const timer = setInterval(add, TICK_MS);
  return () => {
    clearInterval(timer);
    add();
    return sum_ms;
  };
}

/** Measures the CPU time, in ms, that this process has used since the call: for work that waits for nothing. */
export function cpuTime(): () => number {
  const began = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1_000;
  };
}
