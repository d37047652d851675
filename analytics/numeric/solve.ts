const SMALLEST_PIVOT = 1e-12;

/** Solves a positive definite system by Gauss with pivots; what has no weight comes out as 0. Changes its input. */
export function solve(matrix: number[][], right: number[]): readonly number[] {
  const size = right.length;
  for (let column = 0; column < size; column++) {
    let best = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(cell(matrix, row, column)) > Math.abs(cell(matrix, best, column))) best = row;
    }
    [matrix[column], matrix[best]] = [matrix[best] as number[], matrix[column] as number[]];
    [right[column], right[best]] = [right[best] as number, right[column] as number];
    const pivot = cell(matrix, column, column);
    if (Math.abs(pivot) < SMALLEST_PIVOT) continue;
    for (let row = column + 1; row < size; row++) {
      const factor = cell(matrix, row, column) / pivot;
      if (factor === 0) continue;
      const line = matrix[row] as number[];
      for (let at = column; at < size; at++) {
        line[at] = (line[at] as number) - factor * cell(matrix, column, at);
      }
      right[row] = (right[row] as number) - factor * (right[column] as number);
    }
  }
  const found = new Array<number>(size).fill(0);
  for (let row = size - 1; row >= 0; row--) {
    let sum = right[row] as number;
    for (let at = row + 1; at < size; at++) sum -= cell(matrix, row, at) * (found[at] as number);
    const pivot = cell(matrix, row, row);
    found[row] = Math.abs(pivot) < SMALLEST_PIVOT ? 0 : sum / pivot;
  }
  return found;
}

const cell = (matrix: readonly (readonly number[])[], row: number, column: number): number =>
  (matrix[row] as readonly number[])[column] as number;
