export { type OrderChange, type OrderFact, orderChanges } from './order-changes.ts';
export { isOrderChangeType, standardStatus, statusEvent } from './order-status.ts';
