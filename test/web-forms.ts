import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
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
