import type { BUSINESS, ECOMMERCE, VOUCHERS } from './endpoints.ts';
import type { ShopRequest, Subjects } from './request.ts';

type Other = (typeof ECOMMERCE)[number] | (typeof BUSINESS)[number] | (typeof VOUCHERS)[number];

/** Requests of the other APIs, by endpoint. */
export function otherRequests(subjects: Subjects): Readonly<Record<string, ShopRequest>> {
  const { first, middle, today, ids } = subjects;
  const custom = `time_range=custom&start_date=${middle}&end_date=${today}`;
  const span = `from=${middle}&to=${today}`;
  const voucher = '/analytics/vouchers/WELCOME10';
  const get = (path: string): ShopRequest => ({ method: 'GET', path });
  const requests: Readonly<Record<Other, ShopRequest>> = {
    'GET /': get('/'),
    'GET /analytics/sales': get(`/analytics/sales?${custom}`),
    'GET /analytics/customers': get(`/analytics/customers?${custom}`),
    'GET /analytics/conversion': get(`/analytics/conversion?${custom}`),
    'GET /analytics/realtime': get('/analytics/realtime'),
    'GET /analytics/products/top': get(`/analytics/products/top?${custom}&limit=5&sort_by=revenue`),
    'GET /analytics/products/{product_id}': get(`/analytics/products/tea-assam?${custom}`),
    'GET /analytics/categories': get(`/analytics/categories?${custom}`),
    'GET /analytics/revenue/trend': get(`/analytics/revenue/trend?${custom}&granularity=day`),
    'GET /analytics/revenue/by-channel': get(`/analytics/revenue/by-channel?${custom}&currency=EUR`),
    'GET /analytics/customers/segments': get(`/analytics/customers/segments?${custom}`),
    'GET /analytics/geographic': get(`/analytics/geographic?${custom}`),
    'GET /analytics/inventory/alerts': get('/analytics/inventory/alerts'),
    'GET /api/analytics/revenue': get(`/api/analytics/revenue?${span}&groupBy=week`),
    'GET /api/analytics/sales': get(`/api/analytics/sales?from=${first}&to=${today}`),
    'GET /api/analytics/products': get(`/api/analytics/products?${span}`),
    'GET /api/analytics/customers': get(`/api/analytics/customers?${span}`),
    'GET /api/analytics/inventory': get(`/api/analytics/inventory?${span}`),
    'GET /api/analytics/hr': get(`/api/analytics/hr?${span}`),
    'GET /api/analytics/support': get(`/api/analytics/support?${span}`),
    'GET /api/analytics/marketing': get(`/api/analytics/marketing?${span}`),
    'GET /api/analytics/forecast': get('/api/analytics/forecast?periods=7&granularity=day'),
    'GET /api/analytics/anomalies': get('/api/analytics/anomalies?severity=low'),
    'GET /api/analytics/dashboards': get('/api/analytics/dashboards'),
    'POST /api/analytics/reports/export': {
      ...{ method: 'POST', path: '/api/analytics/reports/export' },
      json: { reportType: 'revenue', from: middle, to: today, format: 'csv', groupBy: 'day' },
    },
    'GET /analytics/vouchers/{voucher_id}/performance': get(`${voucher}/performance`),
    'GET /analytics/vouchers/{voucher_id}/trends': get(`${voucher}/trends?interval=week`),
    'GET /analytics/vouchers/{voucher_id}/customers': get(`${voucher}/customers`),
    'POST /analytics/export': {
      ...{ method: 'POST', path: '/analytics/export' },
      json: {
        ...{ voucher_ids: ['WELCOME10', 'VIP20'], metrics: ['uses', 'discount', 'orders'], format: 'csv' },
        time_period: { start: `${middle}T00:00:00Z`, end: `${today}T23:59:59Z` },
      },
    },
    'GET /analytics/export/{export_id}': get(`/analytics/export/${ids.voucherExport}`),
  };
  return requests;
}
