export { type Minimum, minimize } from './nelder-mead.ts';
