export { type OrderChange, type OrderFact, orderChanges } from './order-changes.ts';
export { isOrderChangeType, statusEvent } from './order-status.ts';
