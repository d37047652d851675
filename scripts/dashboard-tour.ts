import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

/**
 * Takes the pictures of docs/dashboard.md from a running service that has the events of `npm run example -- shop`:
 * `node dist/scripts/dashboard-tour.js --url http://127.0.0.1:8080 --key KEY`. Needs a Chromium (`CHROMIUM`). With
 * `--topology URL` also that of a topology of one's own, which runs there and asks for no token.
 */
const { values } = parseArgs({
  options: { url: { type: 'string' }, key: { type: 'string' }, topology: { type: 'string' } },
});
const { url = 'http://127.0.0.1:8080', key = '' } = values;
const TARGET = resolve(import.meta.dirname, '..', '..', 'docs', 'dashboard');
const SIZE = { width: 1_200, height: 760 };

const PICTURES = [
  ['overview', '/'],
  ['explore', '/explore?metric=revenue_gross&by=country&compare=previous_period'],
  ['funnels', '/funnels'],
  ['retention', '/retention'],
  ['anomalies', '/anomalies'],
  ['forecast', '/forecast'],
  ['health', '/health'],
] as const;

mkdirSync(TARGET, { recursive: true });
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: SIZE });
await page.goto(`${url}/app`);
await page.getByLabel('API key or token').fill(key);
await page.getByRole('button', { name: 'Sign in' }).click();
await page.locator('main section.tile').first().waitFor();
for (const [name, path] of PICTURES) {
  await page.goto(`${url}/app${path}`);
  await page.locator('main section.tile').first().waitFor();
  await page.locator('.waiting, [aria-busy=true]').first().waitFor({ state: 'detached' });
  await page.screenshot({ path: join(TARGET, `${name}.png`) });
  process.stdout.write(`docs/dashboard/${name}.png\n`);
}
if (values.topology !== undefined) {
  await page.goto(`${values.topology}/app`);
  // Rates are there with the second answer.
  await page.locator('td', { hasText: '/s' }).first().waitFor();
  await page.screenshot({ path: join(TARGET, 'topology.png') });
  process.stdout.write('docs/dashboard/topology.png\n');
}
await browser.close();
