import {
  defineOperator,
  MillraceError,
  type Operator,
  type OperatorDoc,
  refusePromise,
  type Sides,
  type Stream,
} from '../../engine/index.ts';

/** By the branch's name: which items go there. A type guard gives the branch its type. */
export type Branches<A> = Readonly<Record<string, (item: A) => boolean>>;

type Guard<A, B extends A> = (item: A) => item is B;

/** What flows in each branch. */
export type BranchItems<A, P extends Branches<A>> = {
  readonly [N in keyof P]: P[N] extends Guard<A, infer B> ? B : A;
};

/** The branches as streams, by name. */
export type BranchStreams<A, P extends Branches<A>> = {
  readonly [N in keyof P]: Stream<BranchItems<A, P>[N]>;
};

export const branchDoc: OperatorDoc = {
  kind: 'branch',
  summary: 'Each item to the first branch whose predicate holds for it',
};

/** An operator whose side outputs are the branches; what none takes is its main output. No state. */
export function split<A, P extends Branches<A>>(
  name: string,
  branches: P & Branches<A>,
): Operator<A, A, BranchItems<A, P>> {
  const names = Object.keys(branches);
  if (names.length === 0) throw new MillraceError('bad_config', `"${name}" has no branches.`);
  const number = names.find((each) => /^\d+$/.test(each));
  if (number !== undefined) {
    throw new MillraceError(
      'bad_config',
      `"${name}" has the branch "${number}": names that are numbers come before all others in JavaScript, not where they are written. Give it another name.`,
    );
  }
  return make<A, BranchItems<A, P>>(branches)(name, branches);
}

/** The stream divided in branches, by name. What none takes goes nowhere and is counted. No state. */
export function branch<A, P extends Branches<A>>(
  stream: Stream<A, Sides>,
  name: string,
  branches: P & Branches<A>,
): BranchStreams<A, P> {
  const divided = stream.pipe(split<A, P>(name, branches));
  const streams = Object.keys(branches).map((side) => [side, divided.side(side as keyof P & string)]);
  return Object.fromEntries(streams) as BranchStreams<A, P>;
}

const make = <A, O extends Sides>(branches: Branches<A>) =>
  defineOperator<A, A, Branches<A>, Record<never, never>, O>({
    kind: branchDoc.kind,
    summary: branchDoc.summary,
    // The names of the branches are those of the side outputs.
    sides: Object.keys(branches) as (keyof O & string)[],
    retractions: () => 'passes',
    start: ({ name, metrics, emit, emitTo }) => {
      const ways = Object.entries(branches);
      const unmatched = metrics.counter('millrace.branch.unmatched', 'Items that no branch takes', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const taken = ways.map((): A[] => []);
          const rest: A[] = [];
          for (const item of items) {
            const way = ways.findIndex(([, holds]) => {
              const isOfIt = holds(item);
              refusePromise(isOfIt, `branch "${name}"`);
              return isOfIt;
            });
            (taken[way] ?? rest).push(item);
          }
          unmatched.add(rest.length);
          emit(rest);
          // What a branch takes is of its type: that is what its predicate says.
          ways.forEach(([side], way) => void emitTo(side as keyof O & string, taken[way] as never[]));
        },
      };
    },
  });
