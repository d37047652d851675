/** Where a search ended. */
export interface Minimum {
  readonly point: readonly number[];
  readonly value: number;
  readonly converged: boolean;
  readonly evaluations: number;
}

interface Vertex {
  readonly point: readonly number[];
  readonly value: number;
}

/** How far a search goes. */
export interface SearchEffort {
  /** Of the first simplex. */
  readonly step?: number;
  /** Evaluations of one search; typical ones take 150 to 400. */
  readonly max_evaluations?: number;
  /** Of the value, as a share of it. */
  readonly tolerance?: number;
  readonly max_restarts?: number;
}

const MAX_EVALUATIONS = 2_000;
const TOLERANCE = 1e-9;
const MAX_RESTARTS = 4;

/**
 * A minimum of `f` near `start`, by the simplex of Nelder & Mead (Computer Journal 7, 1965) with the usual
 * coefficients 1, 2, ½, ½. It is started again where it ended, until that does not help: a simplex may collapse
 * before its time. What is not finite counts as infinite.
 */
export function minimize(
  f: (point: readonly number[]) => number,
  start: readonly number[],
  effort: SearchEffort = {},
): Minimum {
  const { step = 0.5, max_evaluations = MAX_EVALUATIONS, tolerance = TOLERANCE } = effort;
  const { max_restarts = MAX_RESTARTS } = effort;
  const limits = { max_evaluations, tolerance };
  let best = search(f, start, step, limits);
  let evaluations = best.evaluations;
  for (let restarts = 0; restarts < max_restarts && best.converged; restarts++) {
    const again = search(f, best.point, step / 2, limits);
    evaluations += again.evaluations;
    const gain = best.value - again.value;
    if (gain >= 0) best = again;
    if (gain <= tolerance * (1 + Math.abs(best.value))) break;
  }
  return { ...best, evaluations };
}

function search(
  f: (point: readonly number[]) => number,
  start: readonly number[],
  step: number,
  { max_evaluations, tolerance }: Required<Pick<SearchEffort, 'max_evaluations' | 'tolerance'>>,
): Minimum {
  let evaluations = 0;
  const at = (point: readonly number[]): Vertex => {
    evaluations++;
    const value = f(point);
    return { point, value: Number.isFinite(value) ? value : Number.POSITIVE_INFINITY };
  };
  const simplex = [
    at(start),
    ...start.map((_, axis) => at(start.map((value, other) => (other === axis ? value + step : value)))),
  ];
  let converged = false;
  while (evaluations < max_evaluations) {
    simplex.sort((a, b) => a.value - b.value);
    const best = simplex[0] as Vertex;
    const worst = simplex[simplex.length - 1] as Vertex;
    if (worst.value - best.value <= tolerance * (1 + Math.abs(best.value)) && isSmall(simplex)) {
      converged = true;
      break;
    }
    improve(simplex, at);
  }
  simplex.sort((a, b) => a.value - b.value);
  return { ...(simplex[0] as Vertex), converged, evaluations };
}

/** Replaces the worst vertex of a sorted simplex, or draws all towards the best. */
function improve(simplex: Vertex[], at: (point: readonly number[]) => Vertex): void {
  const last = simplex.length - 1;
  const best = simplex[0] as Vertex;
  const worst = simplex[last] as Vertex;
  const others = simplex.slice(0, last);
  const centre = best.point.map(
    (_, axis) => others.reduce((sum, { point }) => sum + (point[axis] as number), 0) / last,
  );
  const along = (factor: number): Vertex =>
    at(centre.map((value, axis) => value + factor * ((worst.point[axis] as number) - value)));
  const reflected = along(-1);
  if (reflected.value < best.value) {
    const expanded = along(-2);
    simplex[last] = expanded.value < reflected.value ? expanded : reflected;
    return;
  }
  if (reflected.value < (simplex[last - 1] as Vertex).value) {
    simplex[last] = reflected;
    return;
  }
  const contracted = along(reflected.value < worst.value ? -0.5 : 0.5);
  if (contracted.value < Math.min(reflected.value, worst.value)) {
    simplex[last] = contracted;
    return;
  }
  for (let place = 1; place <= last; place++) {
    const { point } = simplex[place] as Vertex;
    simplex[place] = at(point.map((value, axis) => (value + (best.point[axis] as number)) / 2));
  }
}

function isSmall(simplex: readonly Vertex[]): boolean {
  const [first, ...rest] = simplex as [Vertex, ...Vertex[]];
  return rest.every(({ point }) =>
    point.every((value, axis) => Math.abs(value - (first.point[axis] as number)) < 1e-5),
  );
}
