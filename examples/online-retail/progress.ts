const BAR_CELLS = 30;
const REDRAW_MS = 80;
/** Lines to a log instead of a bar: one for each of these shares. */
const LOG_SHARE = 0.25;
const MS_PER_SECOND = 1_000;
const numbers = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

/** Events a second. */
export function rateOf(count: number, ms: number): number {
  return ms <= 0 ? 0 : (count * MS_PER_SECOND) / ms;
}

/**
 * Shows how far it is and how fast since `started_ms`: a bar that is drawn over on a terminal, now and
 * then a line elsewhere.
 */
export function progressBar(
  total: number,
  out: NodeJS.WriteStream,
  started_ms: number = performance.now(),
): (done: number) => void {
  let drawn_ms = Number.NEGATIVE_INFINITY;
  let nextShare = LOG_SHARE;
  return (done) => {
    const now_ms = performance.now();
    const share = total === 0 ? 1 : done / total;
    const rate = rateOf(done, now_ms - started_ms);
    const text = `${numbers.format(share * 100).padStart(3)} %  ${numbers.format(done)} of ${numbers.format(total)} events  ${numbers.format(rate)} events/s`;
    if (!out.isTTY) {
      if (share < nextShare && done < total) return;
      nextShare = (Math.floor(share / LOG_SHARE) + 1) * LOG_SHARE;
      out.write(`  ${text}\n`);
      return;
    }
    if (now_ms - drawn_ms < REDRAW_MS && done < total) return;
    drawn_ms = now_ms;
    const filled = Math.round(share * BAR_CELLS);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)}`;
    out.write(`\r\x1b[K  ${bar} ${text}${done >= total ? '\n' : ''}`);
  };
}
