import { MillraceError } from '../base/index.ts';

/** Of a reader whose stream belongs to another topology. */
export function otherTopology(reader: string, stream: string): MillraceError {
  return new MillraceError(
    'bad_config',
    `"${reader}" reads "${stream}", which is a stream of another topology. Make both in one topology(…), or send it there through a JetStream subject.`,
  );
}

/** Of two nodes of these kinds and one name. */
export function duplicateName(name: string, a: string, b: string): MillraceError {
  const kinds = a === b ? `both ${a}` : `${a} and ${b}`;
  const hint = a === 'source' || b === 'source' ? ' A source can be given another with `name`.' : '';
  return new MillraceError(
    'duplicate_operator_name',
    `Two nodes are named "${name}" (${kinds}): names key the state, so each needs its own.${hint}`,
  );
}
