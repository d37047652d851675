/** What became of an event: it was taken, came too late, or a limit keeps it out. */
export type Taken = 'taken' | 'late' | 'overflow';

/** Those of a batch that were not taken, for side outputs. */
export interface NotTaken<E> {
  readonly late: readonly E[];
  readonly overflow: readonly E[];
}

/** Has the events of a batch taken one by one. */
export function takeBatch<E>(events: readonly E[], take: (event: E) => Taken): NotTaken<E> {
  const late: E[] = [];
  const overflow: E[] = [];
  for (const event of events) {
    const taken = take(event);
    if (taken === 'late') late.push(event);
    else if (taken === 'overflow') overflow.push(event);
  }
  return { late, overflow };
}
