export { Distributions, quantileOf } from './distributions.ts';
export { type Minimum, minimize } from './nelder-mead.ts';
export { solve } from './solve.ts';
