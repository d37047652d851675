import { BASE, BUSINESS, ECOMMERCE, ORDER_ANALYTICS, ORDERS, VOUCHERS } from './endpoints.ts';
import { orderAnalyticsRequests } from './order-analytics-requests.ts';
import { ordersRequests } from './orders-requests.ts';
import { otherRequests } from './other-requests.ts';
import { curlOf, type ShopRequest, type Subjects } from './request.ts';

export interface Section {
  readonly title: string;
  /** Commands for a shell, one of each endpoint. */
  readonly commands: readonly string[];
}

/** The documents' endpoints, whole: `GET /v1/order-analytics/events`. */
export const SECTIONS: readonly { readonly title: string; readonly endpoints: readonly string[] }[] = [
  {
    title: `Order analytics: ${BASE}`,
    endpoints: ORDER_ANALYTICS.map((endpoint) => endpoint.replace(' ', ` ${BASE}`)),
  },
  { title: 'E-commerce: /analytics', endpoints: ECOMMERCE },
  { title: 'Business: /api/analytics', endpoints: BUSINESS },
  { title: 'Orders: /api/v1', endpoints: ORDERS },
  { title: 'Vouchers: /analytics', endpoints: VOUCHERS },
];

const LAST = /^DELETE|backfill$/;

/** A curl command for each endpoint. What deletes, and what takes its time, comes last in its section. */
export function commandsOf(subjects: Subjects): readonly Section[] {
  const requests: Readonly<Record<string, ShopRequest>> = {
    ...orderAnalyticsRequests(subjects),
    ...otherRequests(subjects),
    ...ordersRequests(subjects),
  };
  return SECTIONS.map(({ title, endpoints }) => ({
    title,
    commands: endpoints
      .toSorted((a, b) => Number(LAST.test(a)) - Number(LAST.test(b)))
      .map((endpoint) => {
        const request = requests[endpoint];
        if (request === undefined) throw new Error(`"${endpoint}" has a request`);
        return curlOf(request);
      }),
  }));
}
