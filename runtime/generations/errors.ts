import { MillraceError } from '../../engine/index.ts';

export const buildRunning = (): MillraceError =>
  new MillraceError(
    'build_running',
    'A generation is being built already. Wait until it is current, or cancel it.',
    { retriable: true },
  );

export const buildCancelled = (): MillraceError =>
  new MillraceError('build_cancelled', 'The build was cancelled.');

export const nothingToReplace = (): MillraceError =>
  new MillraceError(
    'no_state',
    'The current generation has committed nothing yet, so there is nothing to build it again from. Try again shortly.',
    { retriable: true },
  );

export const notABuild = (generation: number): MillraceError =>
  new MillraceError('not_a_build', `Generation ${generation} is no interrupted build.`);

export const generationDiffers = (generation: number, tables: readonly string[]): MillraceError =>
  new MillraceError(
    'generation_differs',
    `Generation ${generation} is not what the live state is, in: ${tables.join(', ')}. Where messages have gone ` +
      'from the stream since the live state read them, a rebuild lacks them: then keep the live state, or ' +
      'accept the difference (acceptDifferent). Otherwise run "millrace state verify".',
  );

export const noSuchGeneration = (generation: number): MillraceError =>
  new MillraceError(
    'no_such_generation',
    `There is no generation ${generation}. GET /generations lists those that there are.`,
  );

export const isCurrent = (generation: number): MillraceError =>
  new MillraceError(
    'generation_current',
    `Generation ${generation} is current: answers come from it. Activate another one first.`,
  );

export const notActivatable = (generation: number): MillraceError =>
  new MillraceError(
    'generation_unfinished',
    `Generation ${generation} is not built to its end. Its job goes on with it, or delete it.`,
  );

/** Of a build, which is removed: unlike a live task it does not try again by itself. */
export const diskFullInBuild = (generation: number, cause: unknown): MillraceError =>
  new MillraceError(
    'disk_full',
    `The disk was full while generation ${generation} was built. What was built is removed, and the live state ` +
      'goes on. Free as much space as the state takes, and start the build again; "dry_run" says how much that is.',
    { cause },
  );
