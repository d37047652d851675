export { ORDERS } from './face.ts';
export { OrderHooks } from './order-hooks.ts';
