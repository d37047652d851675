import { getPriority, setPriority } from 'node:os';

/** The least of all priorities. */
const NICENESS_MAX = 19;

/**
 * Lets others go before this thread: by so much of niceness below the priority that it has, which is that of its
 * process. An absolute niceness would be a higher priority in a process that was started with a low one, and taking
 * that is refused (EACCES). On Linux a priority is a thread's own; elsewhere it would be the whole process', so
 * nothing is done.
 */
export function stepBack(niceness: number): void {
  if (process.platform === 'linux') setPriority(0, Math.min(NICENESS_MAX, getPriority(0) + niceness));
}
