import { setPriority } from 'node:os';

/** Of work that may take its time, of -20 to 19. */
const NICENESS = 10;

/** Leaves the machine to others first. On Linux a priority is a thread's own; elsewhere it would be the process'. */
export function stepBack(): void {
  if (process.platform === 'linux') setPriority(0, NICENESS);
}
