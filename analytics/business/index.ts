/** Leads, subscriptions, tickets and staff: pure folds of their events, whatever order these come in. */

export type { BusinessEvent } from './business-event.ts';
export { leadFunnel } from './leads.ts';
export { staffNumbers } from './staff.ts';
export { recurringRevenue } from './subscriptions.ts';
export { supportNumbers } from './tickets.ts';
