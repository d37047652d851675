/** What there is of products, from `inventory.level` events. */

export { LEVEL_EVENT, type StockAlert, type StockLevel, stockAlerts } from './stock.ts';
