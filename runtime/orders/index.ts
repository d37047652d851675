export { ORDER_ANALYTICS_MODULE, ORDER_INPUT, orderTopology } from './order-analytics.ts';
