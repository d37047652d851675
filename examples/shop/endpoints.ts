/**
 * The endpoints that the five documents of this service's APIs describe, as method and path. Each is served, is in
 * `docs/api.md`, and has a request among those that this example prints.
 */

export const ORDER_ANALYTICS = [
  ...['POST /ingest', 'POST /ingest/bulk', 'POST /ingest/validate'],
  ...['POST /connectors', 'POST /connectors/{id}/run', 'GET /connectors/{id}/status'],
  ...['GET /events', 'GET /events/{eventId}', 'POST /events/search'],
  ...['POST /kpis/query', 'GET /kpis/summary', 'POST /kpis/batch'],
  ...['POST /funnels/define', 'POST /funnels/{id}/query', 'POST /funnels/adhoc'],
  ...['POST /cohorts/define', 'POST /cohorts/{id}/retention', 'POST /cohorts/adhoc-retention'],
  ...['POST /customers/rfm', 'POST /customers/ltv', 'POST /customers/segment'],
  ...['POST /attribution/query', 'POST /attribution/compare'],
  ...['POST /returns/summary', 'POST /refunds/impact', 'POST /fraud/trends'],
  ...['POST /anomalies/register', 'GET /anomalies/{id}', 'PATCH /anomalies/{id}', 'DELETE /anomalies/{id}'],
  ...['POST /anomalies/scan', 'GET /anomalies/history', 'POST /alerts'],
  ...['GET /dashboards', 'POST /dashboards', 'GET /dashboards/{id}', 'PATCH /dashboards/{id}'],
  ...['DELETE /dashboards/{id}', 'POST /widgets/preview', 'POST /queries', 'POST /queries/{id}/run'],
  ...['POST /reports/schedule', 'GET /reports/{id}', 'PATCH /reports/{id}', 'DELETE /reports/{id}'],
  ...['POST /exports', 'GET /exports/{jobId}'],
  ...['POST /jobs/backfill', 'POST /jobs/rollup', 'GET /jobs/{jobId}', 'GET /jobs'],
  ...['POST /models/train', 'GET /models/{modelId}', 'POST /models/{modelId}/predict', 'POST /whatif'],
  ...['POST /marketing/roi', 'POST /marketing/multi-touch'],
  ...['GET /keys', 'POST /keys', 'GET /roles', 'POST /roles', 'GET /permissions/me'],
  ...['GET /webhooks', 'POST /webhooks', 'DELETE /webhooks/{id}', 'POST /webhooks/test'],
  ...['GET /health', 'GET /metrics', 'GET /diagnostics'],
] as const;

export const ECOMMERCE = [
  ...['GET /', 'GET /analytics/sales', 'GET /analytics/customers', 'GET /analytics/conversion'],
  ...['GET /analytics/realtime', 'GET /analytics/products/top', 'GET /analytics/products/{product_id}'],
  ...['GET /analytics/categories', 'GET /analytics/revenue/trend', 'GET /analytics/revenue/by-channel'],
  ...['GET /analytics/customers/segments', 'GET /analytics/geographic', 'GET /analytics/inventory/alerts'],
] as const;

export const BUSINESS = [
  ...['GET /api/analytics/revenue', 'GET /api/analytics/sales', 'GET /api/analytics/products'],
  ...['GET /api/analytics/customers', 'GET /api/analytics/inventory', 'GET /api/analytics/hr'],
  ...['GET /api/analytics/support', 'GET /api/analytics/marketing', 'GET /api/analytics/forecast'],
  ...['GET /api/analytics/anomalies', 'GET /api/analytics/dashboards', 'POST /api/analytics/reports/export'],
] as const;

export const ORDERS = [
  ...['GET /api/v1/orders/analytics/dashboard', 'GET /api/v1/orders/analytics/revenue'],
  ...['GET /api/v1/orders/analytics/fulfillment', 'GET /api/v1/orders/analytics/sources'],
  ...['GET /api/v1/orders/analytics/products', 'GET /api/v1/orders/analytics/cod-vs-prepaid'],
  ...['POST /api/v1/orders/bulk/import', 'GET /api/v1/orders/bulk/import/{importId}'],
  ...['POST /api/v1/orders/bulk/export', 'POST /api/v1/orders/bulk/status', 'POST /api/v1/orders/bulk/ship'],
  ...['POST /api/v1/orders/bulk/cancel', 'POST /api/v1/order-webhooks'],
  ...['POST /api/v1/order-notification-rules', 'POST /api/v1/order-notification-rules/{rule}/test'],
  ...['POST /api/v1/order-custom-fields', 'GET /api/v1/orders'],
] as const;

export const VOUCHERS = [
  ...['GET /analytics/vouchers/{voucher_id}/performance', 'GET /analytics/vouchers/{voucher_id}/trends'],
  ...['GET /analytics/vouchers/{voucher_id}/customers', 'POST /analytics/export'],
  ...['GET /analytics/export/{export_id}'],
] as const;

/** Under this base lie the endpoints of the first API; those of the others name their whole path. */
export const BASE = '/v1/order-analytics';

export type OrderAnalyticsEndpoint = (typeof ORDER_ANALYTICS)[number];
