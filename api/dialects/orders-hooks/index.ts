export { OrderHooks } from './order-hooks.ts';
