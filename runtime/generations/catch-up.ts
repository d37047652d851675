/** Messages that the live state may be ahead of a build when the live task is stopped for the change. */
export const CLOSE_MESSAGES = 2_000;

/** A build that follows a state that goes on. */
export interface Following {
  /** Messages between where it has come and where the live state is now. */
  behind(): number;
  /** Reads on to where the live state was when it was called. */
  read(): Promise<void>;
  /** From now on it has as much of the machine as the live task. */
  hurry(): Promise<void>;
}

/**
 * Reads on until the live state is near. A round has to halve the distance: a patient build that does not, because
 * the live task and answers have the machine, hurries; one that hurries and does not is as near as it will come, and
 * the rest is read while the live task stands still.
 */
export async function catchUp(build: Following): Promise<void> {
  let isHurrying = false;
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    await build.read();
    const behind = build.behind();
    if (behind <= CLOSE_MESSAGES) return;
    if (behind > before / 2) {
      if (isHurrying) return;
      isHurrying = true;
      await build.hurry();
      before = Number.POSITIVE_INFINITY;
    } else before = behind;
  }
}
