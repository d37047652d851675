export { analyticsSettings, type OrderState, OrderStates, type OrderStatesOptions } from './order-states.ts';
