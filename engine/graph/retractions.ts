import { MillraceError } from '../base/index.ts';

/**
 * What an operator does with items that change what earlier ones said: that take them back (`kind: 'retract'`), or are
 * given again in their place. `passes` gives items on as they are, or some of them; `takes` replaces, undoes, or leaves
 * that to a function of the user; `subtracts` undoes what is taken back, as long as items say so; `adds` can only add;
 * `refuses` would take what is taken back for something new. Where an operator says nothing, items may lose their mark
 * in it.
 */
export type RetractionRule = 'passes' | 'takes' | 'subtracts' | 'adds' | 'refuses';

/** How items of an output change what earlier ones said. */
export interface OutputChanges {
  /** `MAIN_OUTPUT`, or the name of a side. */
  readonly output: string;
  /** Some have `kind: 'retract'`. */
  readonly takesBack: boolean;
  /** Some take the place of an earlier one without saying so. */
  readonly givesAgain: boolean;
}

/** The same of a stream, wherever it comes from. */
export interface Retractions extends Omit<OutputChanges, 'output'> {
  /** The operator that gives them. */
  readonly from: string;
  /** The first operator behind it in which they may have lost their mark. */
  readonly lostIn?: string;
}

interface Reader {
  readonly name: string;
  readonly kind: string;
  readonly retractions?: RetractionRule;
  readonly changes?: readonly OutputChanges[];
}

/** Of several inputs the one that is worst to read. */
export function mergedRetractions(inputs: readonly (Retractions | undefined)[]): Retractions | undefined {
  const weightOf = ({ lostIn, givesAgain }: Retractions): number =>
    (givesAgain ? 2 : 0) + (lostIn === undefined ? 0 : 1);
  let worst: Retractions | undefined;
  for (const input of inputs) {
    if (input === undefined) continue;
    if (worst === undefined || weightOf(input) > weightOf(worst)) worst = input;
  }
  return worst;
}

/** Of an operator's output, or of a side output where `isAside`. `coming`: of what it reads. */
export function retractionsOf(
  { name, retractions, changes = [] }: Reader,
  coming: Retractions | undefined,
  output: string,
  isAside: boolean,
): Retractions | undefined {
  const own = changes.find((change) => change.output === output);
  if (own !== undefined && (own.takesBack || own.givesAgain)) {
    return { from: name, takesBack: own.takesBack, givesAgain: own.givesAgain };
  }
  if (coming === undefined || retractions === 'passes') return coming;
  if (retractions === undefined) return { lostIn: name, ...coming };
  // What is put aside is what came.
  return isAside ? coming : undefined;
}

/** Throws `retractions_refused` for an operator that would count what changes earlier items as further ones. */
export function checkRetractions(reader: Reader, coming: Retractions | undefined): void {
  const { name, kind, retractions } = reader;
  if (coming === undefined || retractions === undefined) return;
  const { from, lostIn, takesBack, givesAgain } = coming;
  const isSum = retractions === 'subtracts' || retractions === 'adds';
  if (isSum && givesAgain) {
    throw refused(
      `"${from}" gives results again that take the place of earlier ones, and "${name}" (${kind}) would add them up. ` +
        `Give "${from}" the mode "retract", or let it give each result once: without early results and allowed lateness.`,
    );
  }
  if (takesBack && (retractions === 'adds' || retractions === 'refuses')) {
    throw refused(
      `"${from}" takes results back (kind: 'retract'), and "${name}" (${kind}) would take those for further items. ` +
        `Put a toTable or toWindowTable behind "${from}", or let it give each result once: without early results and ` +
        'allowed lateness.',
    );
  }
  if (retractions === 'subtracts' && lostIn !== undefined) {
    throw refused(
      `"${from}" takes results back (kind: 'retract'), and behind "${lostIn}" "${name}" cannot see which those are. ` +
        `Say it with isRetraction, of something that "${lostIn}" hands on.`,
    );
  }
}

function refused(message: string): MillraceError {
  return new MillraceError('retractions_refused', message);
}
