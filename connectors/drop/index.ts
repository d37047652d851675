export { DROP } from './drop-type.ts';
