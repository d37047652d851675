/** The driver under the name that the tests of this folder have for it. */
export { TestDriver as Pipeline } from '../engine/index.ts';
