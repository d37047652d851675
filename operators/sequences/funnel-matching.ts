/**
 * A matching of two sets, grown one left member at a time along an augmenting path (Kuhn 1955). Members that
 * were taken stay taken: what is offered in order of preference gives the most preferred set that can be matched.
 */
export class Matching {
  readonly #edgesOf: (left: number) => readonly number[];
  readonly #owners = new Map<number, number>();

  constructor(edgesOf: (left: number) => readonly number[]) {
    this.#edgesOf = edgesOf;
  }

  /** Whether `left` could be taken in, the others moved where need be. */
  add(left: number): boolean {
    return this.#augment(left, new Set());
  }

  #augment(left: number, seen: Set<number>): boolean {
    for (const right of this.#edgesOf(left)) {
      if (seen.has(right)) continue;
      seen.add(right);
      const owner = this.#owners.get(right);
      if (owner !== undefined && !this.#augment(owner, seen)) continue;
      this.#owners.set(right, left);
      return true;
    }
    return false;
  }
}
