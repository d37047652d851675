import type { Locator, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import type { ContractService } from './contract-service.ts';

type Service = Pick<ContractService, 'get'>;

/** A tile of a page by its title. */
export const tileOf = (page: Page, title: string | RegExp): Locator =>
  page.locator('section.tile').filter({ has: page.getByRole('heading', { level: 2, name: title }) });

/** Makes a ratio of metrics by its form on the page of Explore, and changes it. */
export async function makesRatio(page: Page, service: Service): Promise<void> {
  await tileOf(page, 'Metrics of your own').getByRole('button', { name: 'New …' }).click();
  await page.getByLabel('Name').fill('gb_share');
  await page.getByLabel('Type').selectOption('ratio');
  await page.getByLabel('Divide', { exact: true }).selectOption('count');
  await page.getByLabel('Divide: filters').fill('country=GB');
  await page.getByRole('button', { name: 'Make' }).click();
  await tileOf(page, 'Metrics of your own').getByText('order.created ÷ visits').waitFor();
  await tileOf(page, 'Metrics of your own').getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('By: metric').selectOption('orders_count');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await tileOf(page, 'Metrics of your own').getByText('order.created ÷ orders_count').waitFor();
  const { metrics } = (await service.get('default', '/metrics-catalog')).json as { metrics: object[] };
  expect(metrics).toMatchObject([
    {
      ...{ name: 'gb_share', type: 'ratio', denominator: 'orders_count' },
      numerator: { type: 'count', event: 'order.created', filters: { country: 'GB' } },
    },
  ]);
}

/** Makes a sink by its form on the page of connectors, and changes what it tells. */
export async function makesSink(page: Page, service: Service): Promise<void> {
  await tileOf(page, 'Sinks').getByRole('button', { name: 'New …' }).click();
  await page.getByLabel('By').fill('country');
  await page.getByRole('button', { name: 'Make' }).click();
  await tileOf(page, 'Sinks').getByText('orders_count, revenue_net by country').waitFor();
  await tileOf(page, 'Sinks').getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Tells').selectOption('anomalies');
  await page.getByLabel('Of severity').selectOption('high');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await tileOf(page, 'Sinks').getByRole('cell', { name: 'anomalies', exact: true }).waitFor();
  const { sinks } = (await service.get('default', '/sinks')).json as { sinks: object[] };
  expect(sinks).toMatchObject([
    { source: { anomalies: { severity: 'high' } }, destination: { nats: 'sales.daily' } },
  ]);
}

/** The cause of an anomaly that the address names and the list has not. */
export async function showsOldAnomaly(page: Page, open: (to: string) => Promise<void>): Promise<void> {
  const text = 'revenue_gross of GB fell';
  const found = { id: 'of-old', rule_id: null, metric: 'revenue_gross', start: '2025-01-01T00:00:00Z', text };
  const sums = { metric: 'revenue_gross', actual: 1, expected: 2 };
  const cause = { ...sums, dimensions: ['country'], causes: [], unexplained: null, meta: {} };
  await page.route('**/anomalies/of-old', (route) => route.fulfill({ json: found }));
  await page.route('**/anomalies/root-cause', (route) => route.fulfill({ json: cause }));
  await open('/anomalies?anomaly=of-old');
  await tileOf(page, 'Where it comes from').getByText(text).waitFor();
  await page.unrouteAll({ behavior: 'wait' });
}

/** A field that was typed back to what it was shows what the address says from then on. */
export async function forgetsDraft(page: Page): Promise<void> {
  const filters = page.getByLabel('Filters', { exact: true });
  await filters.focus();
  await page.keyboard.type('a');
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Tab');
  await page.evaluate(
    "history.pushState(null, '', '/app/explore?filters=country%3DGB'), dispatchEvent(new PopStateEvent('popstate'))",
  );
  await expect.poll(() => filters.inputValue()).toBe('country=GB');
}

/** A page of 200 connectors asks for the state of each, six at a time. */
export async function asksSixAtOnce(page: Page, address: string): Promise<void> {
  const WIDGETS = 200;
  let [running, most, all] = [0, 0, 0];
  const connectors = Array.from({ length: WIDGETS }, (_, at) => ({
    ...{ id: `connector_${at}`, name: `c ${at}`, type: 'webhook', enabled: true },
  }));
  await page.route('**/order-analytics/connectors?**', (route) => route.fulfill({ json: { connectors } }));
  await page.route('**/order-analytics/connectors/*/status', async (route) => {
    most = Math.max(most, ++running);
    all++;
    // Long enough that a seventh would have come.
    await new Promise((resolve) => setTimeout(resolve, 50));
    running--;
    const counts = { in: 1, accepted: 1, dead: 0 };
    await route.fulfill({ json: { health: 'ok', lag: 0, counts, last_record_at: null, error: null } });
  });
  await page.goto(address);
  for (let shown = 20; shown < WIDGETS; shown += 80) {
    await page.getByRole('button', { name: `Show more of ${WIDGETS} rows` }).click();
  }
  await page.getByRole('row').filter({ hasText: 'c 199' }).getByText('ok', { exact: true }).waitFor();
  await vi.waitFor(() => expect(all).toBeGreaterThanOrEqual(WIDGETS), { timeout: 60_000 });
  await page.unrouteAll({ behavior: 'wait' });
  expect(most).toBe(6);
}
