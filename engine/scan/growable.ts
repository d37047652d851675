type Numbers = Int32Array | Float64Array;

/** An array that grows when more of it is asked for, keeps what is in it, and is 0 where nothing was written. */
export class Growable<T extends Numbers> {
  array: T;
  readonly #make: new (
    length: number,
  ) => T;

  constructor(make: new (length: number) => T) {
    this.#make = make;
    this.array = new make(0);
  }

  of(length: number): T {
    if (length > this.array.length) {
      const grown = new this.#make(length * 2);
      grown.set(this.array);
      this.array = grown;
    }
    return this.array;
  }
}
