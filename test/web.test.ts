import { readFileSync } from 'node:fs';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shopEvents } from '../examples/shop/generator.ts';
import { browserPath, complaintsOf, findingsOf, launch, shiftsOf, watchShifts } from './browser.ts';
import { ContractService } from './contract-service.ts';
import { isLong } from './long.ts';
import { freePort } from './ports.ts';
import { ADMIN_KEY } from './process.ts';
import { Scratch } from './scratch.ts';
import { asksSixAtOnce, forgetsDraft, makesRatio, makesSink, showsOldAnomaly, tileOf } from './web-forms.ts';

const PAGES = [
  ...['/', '/explore', '/funnels', '/retention', '/customers', '/attribution', '/returns', '/anomalies'],
  ...[
    '/forecast',
    '/dashboards',
    '/jobs',
    '/health',
    '/events',
    '/connectors',
    '/generations',
    '/restatements',
    '/access',
  ],
];
/** Of these, where something is made or changed. */
const WITH_FORMS = ['/funnels', '/anomalies', '/dashboards', '/jobs', '/connectors', '/access'];
const HOSTILE = '<img src=x onerror=alert(1)>"\'`{{7*7}}</script>';
const DAY_MS = 86_400_000;
/** Above it a reader feels that a page moves while it comes (web vitals). */
const SHIFT_MAX = 0.1;
/** Least compressed bytes to the first page that would be too many. */
const FIRST_PAGE_MAX_BYTES = 200_000;
const WAIT_MS = 60_000;

const path = browserPath();
const scratch = new Scratch();
let service: ContractService;
let browser: Browser;
let port: string;
let dataDir: string;
let page: Page;
let complaints: readonly string[];

const start = async (): Promise<void> => {
  service = await ContractService.start(scratch, { dataDir, env: { PORT: port } });
};
const url = (to = ''): string => `http://127.0.0.1:${port}/app${to}`;

async function signIn(on: Page, key = ADMIN_KEY): Promise<void> {
  await on.goto(url());
  await on.getByLabel('API key or token').fill(key);
  await on.getByRole('button', { name: 'Sign in' }).click();
  await on.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
}

/** Until everything that the page asked is answered. */
async function settled(on: Page): Promise<void> {
  await on.locator('main section.tile, main .empty').first().waitFor();
  await on.locator('.waiting, [aria-busy=true]').first().waitFor({ state: 'detached' });
}

async function open(to: string, on = page): Promise<void> {
  await on.goto(url(to));
  await settled(on);
}

const tile = (title: string | RegExp, on = page): Locator => tileOf(on, title);

/** The page of an address, when it is there. */
async function at(to: string): Promise<Page> {
  await open(to);
  return page;
}

const figure = (name: string): Promise<string> =>
  page.locator('.figure').filter({ hasText: name }).first().locator('.value').innerText();

/** A number as the pages write it. */
const written = (value: number, digits = 0): string =>
  value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });

describe.skipIf(path === undefined)('the dashboard, in a browser', () => {
  beforeAll(async () => {
    dataDir = await scratch.dir('web');
    port = String(await freePort());
    await start();
    const now_ms = Date.now();
    await service.stream('default', shopEvents({ seed: 1, days: 31, every_minutes: 30, now_ms }));
    const time = new Date(now_ms - DAY_MS).toISOString();
    const hostile = {
      event_id: 'hostile-1',
      time,
      order_id: 'hostile-order',
      customer_id: HOSTILE,
      amount: 1_234,
    };
    const own = service.event({
      ...hostile,
      currency: 'GBP',
      country: 'GB',
      channel: HOSTILE,
      campaign: HOSTILE,
    });
    await service.stream('default', [own, { ...own, amount: 999 }]);
    await service.instance.untilApplied();
    const rule = { name: `rule ${HOSTILE}`, metric: 'revenue', window: '1d', method: 'zscore' };
    expect((await service.post('default', '/anomalies/rules', rule)).status).toBe(201);
    browser = await launch(path ?? '');
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    complaints = complaintsOf(page);
    await watchShifts(page);
    page.setDefaultTimeout(WAIT_MS);
    await signIn(page);
  }, 400_000);

  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await scratch.clean();
  });

  it('opens every page without a fault, for everybody, at every width', async () => {
    const findings: string[] = [];
    const wide: string[] = [];
    const moved: string[] = [];
    for (const to of PAGES) {
      await open(to);
      const shifts = await shiftsOf(page);
      if (shifts.score > SHIFT_MAX)
        moved.push(`${to} moves by ${shifts.score.toFixed(2)}: ${shifts.moved[0]}`);
      findings.push(...(await findingsOf(page)));
      for (const width of isLong ? [390, 2_560, 1_280] : [390, 1_280]) {
        await page.setViewportSize({ width, height: 800 });
        const over = (await page.evaluate('document.documentElement.scrollWidth - innerWidth')) as number;
        if (over > 0) wide.push(`${to} is ${over} px wider than ${width} px`);
      }
    }
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const to of isLong ? ['/', '/funnels', '/anomalies', '/health'] : ['/anomalies']) {
      await open(to);
      findings.push(...(await findingsOf(page)));
    }
    await page.emulateMedia({ colorScheme: 'light' });
    expect([findings, wide, moved, complaints]).toEqual([[], [], [], []]);
  });

  it('shows what the API answers', async () => {
    await open('/');
    const day = (ms: number): string => new Date(Math.floor(ms / DAY_MS) * DAY_MS).toISOString();
    const [begin, end] = [day(Date.now() - 29 * DAY_MS), day(Date.now() + DAY_MS)];
    const metrics = ['orders_count', 'revenue_gross'];
    const query = { metrics, start: begin, end, currency: 'GBP' };
    const totals = await service.totals('default', metrics, query);
    expect(await figure('Orders')).toBe(written(totals.orders_count ?? 0));
    expect(await figure('Gross revenue')).toBe(`${written((totals.revenue_gross ?? 0) / 100, 2)} GBP`);
    await open('/explore?metric=revenue_gross&by=country&currency=GBP');
    const byCountry = await service.kpis('default', {
      ...query,
      metrics: ['revenue_gross'],
      group_by: ['country'],
    });
    for (const { key, totals: of } of byCountry.groups) {
      const row = page
        .getByRole('row')
        .filter({ has: page.getByRole('cell', { name: String(key.country), exact: true }) });
      expect(await row.innerText()).toContain(written((of.revenue_gross ?? 0) / 100, 2));
    }
  });

  it('keeps text of events and definitions text', async () => {
    await open('/events?id=hostile-1');
    expect(await tile('hostile-1').locator('pre').innerText()).toContain('onerror');
    await open('/explore?metric=orders_count&by=channel');
    await page.getByRole('cell', { name: HOSTILE, exact: true }).waitFor();
    await open('/anomalies');
    await tile('Rules').getByText(HOSTILE).waitFor();
    const { headers } = await fetch(url());
    expect(headers.get('content-security-policy')).toMatch(/script-src 'self';/);
    expect(headers.get('content-security-policy')).not.toMatch(/unsafe/);
    expect(await page.locator('img').count()).toBe(0);
  });

  it('defines, copies, shares and exports what the API then has', async () => {
    await open('/funnels');
    await page.getByRole('button', { name: 'Save …' }).click();
    await page.getByLabel('Name').fill('from visit to order');
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Who reached order.created' }).click();
    await page.getByRole('dialog').getByText('in all').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();

    await open('/anomalies');
    await tile('Rules').getByRole('button', { name: 'New …' }).click();
    await page.getByLabel('Name').fill('made by form');
    await page.getByLabel('Window').selectOption('1d');
    await page.getByRole('button', { name: 'Make' }).click();
    const made = tile('Rules').getByRole('row').filter({ hasText: 'made by form' });
    await made.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Method').selectOption('zscore');
    await page.getByRole('dialog').getByRole('button', { name: 'As JSON' }).click();
    expect(await page.getByLabel('Definition').inputValue()).toContain('"method": "zscore"');
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await made.getByText('zscore').waitFor();
    const { rules } = (await service.get('default', '/anomalies/rules')).json as {
      rules: { name: string }[];
    };
    expect(rules.find(({ name }) => name === 'made by form')).toMatchObject({
      ...{ metric: 'revenue_gross', group_by: ['country'], window: '1d', method: 'zscore' },
    });

    await makesRatio(await at('/explore'), service);
    await makesSink(await at('/connectors'), service);

    await open('/dashboards');
    await page.getByRole('button', { name: 'Make a copy …' }).click();
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('heading', { name: 'Overview, mine' }).waitFor();
    const moved = page.getByRole('button', { name: 'Move Revenue before the one before' });
    await moved.click();
    await moved.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Share a link …' }).click();
    await page.getByRole('button', { name: 'Make the link' }).click();
    const link = await page.getByRole('dialog').locator('pre').innerText();
    const stranger = await browser.newPage();
    await stranger.goto(link);
    await stranger.locator('.figure .value').first().waitFor();
    await stranger.close();

    await open('/jobs');
    await page.getByRole('button', { name: 'Export' }).click();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).first().click();
    const file = await (await download).path();
    expect(readFileSync(file, 'utf8').split('\n').length).toBeGreaterThan(1_000);
  });

  it('shows the cause of an anomaly that is not among the newest, and says where there is none', async () => {
    await showsOldAnomaly(await at('/anomalies'), open);
    const said = complaints.length;
    await open('/anomalies?anomaly=of-nobody');
    await tile('Where it comes from').getByText('not_found').waitFor();
    // The browser says that something was not found; nothing else.
    expect((complaints as string[]).splice(said).every((line) => line.includes('404'))).toBe(true);
  });

  it('forgets what was written and taken back', async () => forgetsDraft(await at('/explore')));

  it('is walked by the keyboard alone', async () => {
    await open('/');
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await page.getByRole('heading', { level: 1, name: 'Explore' }).waitFor();
    await page.keyboard.press('2');
    expect(page.url()).toContain('range=last_7d');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await open('/');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the page');
    for (let at = 0; at < 40; at++) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate('document.activeElement.textContent')) === 'Funnels') break;
    }
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Funnels' }).waitFor();
    await settled(page);
    await tile('Steps').getByRole('button', { name: 'Steps: more' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Escape');
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe('Steps: more');
  });

  it('shows a viewer nothing that a viewer may not do', async () => {
    const made = await service.post('default', '/keys', { name: 'only looks', role: 'viewer' });
    const viewer = await browser.newPage({ viewport: { width: 1_280, height: 800 } });
    viewer.setDefaultTimeout(WAIT_MS);
    const refused: string[] = [];
    viewer.on('response', (answer) => {
      if (answer.status() >= 400) refused.push(`${answer.status()} ${answer.url()}`);
    });
    await signIn(viewer, String(made.json.key));
    for (const to of isLong ? PAGES : WITH_FORMS) {
      await open(to, viewer);
      const forbidden = viewer.getByRole('button', {
        name: /^(New …|Save|Save …|Edit|Delete|Export|Run now|Revoke|Make a key|Acknowledge|Begin|Train|Send again)$/,
      });
      expect([to, await forbidden.allInnerTexts()]).toEqual([to, []]);
    }
    expect(refused).toEqual([]);
    await viewer.close();
  });

  it('asks at most six things at once, and is small', async () => {
    const fresh = await browser.newPage();
    fresh.setDefaultTimeout(WAIT_MS);
    let bytes = 0;
    fresh.on('response', (answer) => {
      if (answer.url().includes('/app')) bytes += Number(answer.headers()['content-length'] ?? 0);
    });
    await signIn(fresh);
    await settled(fresh);
    expect([bytes > 20_000, bytes < FIRST_PAGE_MAX_BYTES]).toEqual([true, true]);
    await fresh.close();
    let [running, most] = [0, 0];
    await page.route('**/v1/order-analytics/**', async (route) => {
      const isStream = /stream$/.test(new URL(route.request().url()).pathname);
      if (!isStream) most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await route.continue();
      if (!isStream) running--;
    });
    await open('/connectors');
    await open('/');
    await page.unroute('**/v1/order-analytics/**');
    expect([most > 0, most <= 6]).toEqual([true, true]);
  });

  it('asks for 200 things at most six at once', () => asksSixAtOnce(page, url('/connectors')));

  it('draws 100,000 points, of which the pointer reads each, and moves them by keys', async () => {
    const POINTS = 100_000;
    const first_ms = Date.UTC(2015, 0, 1);
    const peak = 77_777;
    const buckets = Array.from({ length: POINTS }, (_, at) => ({
      time: new Date(first_ms + at * 3_600_000).toISOString(),
      orders_count: at === peak ? 9_999_999 : at % 100,
    }));
    const groups = [{ key: {}, buckets, totals: { orders_count: 1 } }];
    const json = { query_id: 'q', groups, groups_total: 1, truncated: false, meta: {} };
    await page.route('**/kpis/query', (route) => route.fulfill({ json }));
    await open('/explore');
    const chart = page.locator('.chart');
    const tip = page.locator('.tip');
    // Where the peak is drawn, it is read, though the others around it are left out.
    const { width = 0, height = 0 } = (await chart.locator('.u-over').boundingBox()) ?? {};
    const position = { x: Math.round((peak / POINTS) * width), y: height / 2 };
    await chart.locator('.u-over').hover({ position });
    const whole = await tip.locator('strong').innerText();
    await chart.focus();
    for (let times = 0; times < 40; times++) await page.keyboard.press('+');
    await page.getByRole('button', { name: 'Show all' }).waitFor();
    await page.keyboard.press('ArrowLeft');
    await chart.locator('.u-over').hover({ position: { ...position, x: width / 2 } });
    const near = await tip.locator('strong').innerText();
    expect(near).not.toBe(whole);
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByRole('button', { name: 'Show all' }).waitFor({ state: 'detached' });
    await page.unrouteAll({ behavior: 'wait' });
  });

  it('comes again after a kill -9 of the service, and shows what came meanwhile', async () => {
    await open('/');
    const live = page.getByText(/^live/);
    await live.waitFor();
    const before = await figure('Orders');
    await service.instance.kill();
    await service.link.close();
    await page.getByText('not connected, coming again').waitFor();
    expect(await figure('Orders')).toBe(before);
    await start();
    await live.waitFor();
    const time = new Date(Date.now() - 60_000).toISOString();
    const order = {
      time,
      order_id: 'after-the-kill',
      customer_id: 'c-1',
      amount: 100,
      currency: 'GBP',
      country: 'GB',
    };
    await service.stream('default', [service.event({ ...order, event_id: 'after-the-kill' })]);
    const after = written(Number(before.replaceAll(',', '')) + 1);
    await page
      .locator('.figure')
      .filter({ hasText: 'Orders' })
      .first()
      .getByText(after, { exact: true })
      .waitFor();
  });
});
