export { ORDER_ANALYTICS_MODULE, ORDER_INPUT, orderTopology } from './order-analytics.ts';
export { type OrderOptions, orderOptionsSchema, withOptions } from './order-options.ts';
