/** A signed number that sorts as the word does unsigned: it stays a small integer, which an unsigned one need not. */
export function rank(word: number): number {
  return word ^ 0x8000_0000;
}
