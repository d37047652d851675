import { type Browser, chromium, type Page } from 'playwright-core';
import { machine, median, quantileOf } from './rig.ts';

const POINTS = Number(process.env.BENCH_POINTS ?? 100_000);
const WIDGETS = 200;
const FRAMES = 240;
const OPENINGS = 5;
const HOUR_MS = 3_600_000;
const BASE = '/v1/order-analytics';

/**
 * The dashboard in a Chromium (`CHROMIUM`): bytes to the first page, time to its first chart, frames while a chart of
 * many points is moved, and requests at once of a page of many widgets. Needs a running service with events of the
 * last 30 days (`npm run example -- shop`), at BENCH_URL with BENCH_KEY.
 */
export async function dashboardBench(): Promise<object> {
  const { BENCH_URL: url = 'http://127.0.0.1:8080', BENCH_KEY: key = '', CHROMIUM } = process.env;
  const browser = await chromium.launch({
    executablePath: CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    process.stdout.write(`${machine()}, Chromium ${browser.version()}\n`);
    const first_page_bytes = await firstPage(browser, url);
    const page = await signedIn(browser, url, key);
    const first_chart_ms = await firstChart(page, url);
    const moved = await moving(page, url);
    return { first_page_bytes, first_chart_ms, ...moved, ...(await atOnce(page, url)) };
  } finally {
    await browser.close();
  }
}

/** Bytes as they come over the wire, headers left out. */
async function firstPage(browser: Browser, url: string): Promise<number> {
  const page = await browser.newPage();
  let bytes = 0;
  page.on('requestfinished', (request) => {
    void request.sizes().then(({ responseBodySize }) => {
      bytes += responseBodySize;
    });
  });
  await page.goto(`${url}/app`, { waitUntil: 'networkidle' });
  await page.close();
  return bytes;
}

async function signedIn(browser: Browser, url: string, key: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
  await page.goto(`${url}/app`);
  await page.getByLabel('API key or token').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.chart canvas').first().waitFor();
  return page;
}

/** From the begin of a navigation to the first chart, with the browser's cache and without. */
async function firstChart(page: Page, url: string): Promise<object> {
  const times: number[] = [];
  for (let at = 0; at < OPENINGS; at++) {
    await page.goto(`${url}/app`);
    await page.locator('.chart canvas').first().waitFor();
    times.push(Number(await page.evaluate('performance.now()')));
  }
  const session = await page.context().newCDPSession(page);
  await session.send('Network.clearBrowserCache');
  await page.goto(`${url}/app`);
  await page.locator('.chart canvas').first().waitFor();
  const cold = Number(await page.evaluate('performance.now()'));
  return { median: Math.round(median(times)), without_cache: Math.round(cold) };
}

function manyPoints(): string {
  const first_ms = Date.UTC(2015, 0, 1);
  const buckets = Array.from({ length: POINTS }, (_, at) => ({
    time: new Date(first_ms + at * HOUR_MS).toISOString(),
    orders_count: Math.round(500 + 300 * Math.sin(at / 40) + 150 * Math.sin(at * 12.9898)),
  }));
  const groups = [{ key: {}, buckets, totals: { orders_count: 0 } }];
  return JSON.stringify({ query_id: 'q', groups, groups_total: 1, truncated: false, meta: {} });
}

/** Moves the chart as a hand does, a step a frame, and takes the times between frames, ms. */
const MOVE = `new Promise((resolve) => {
  const over = document.querySelector('.chart .u-over');
  const { left, top, width } = over.getBoundingClientRect();
  const at = (clientX) => ({ clientX, clientY: top + 20, shiftKey: true, button: 0, bubbles: true });
  let x = left + width / 2;
  over.dispatchEvent(new MouseEvent('mousedown', at(x)));
  const frames = [];
  let before;
  const step = (now) => {
    if (before !== undefined) frames.push(now - before);
    before = now;
    if (frames.length === ${FRAMES}) {
      dispatchEvent(new MouseEvent('mouseup', at(x)));
      return resolve(frames);
    }
    x += frames.length % 120 < 60 ? 8 : -8;
    dispatchEvent(new MouseEvent('mousemove', at(x)));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})`;

async function moving(page: Page, url: string): Promise<object> {
  const body = manyPoints();
  await page.route('**/kpis/query', (route) => route.fulfill({ contentType: 'application/json', body }));
  await page.goto(`${url}/app/explore`);
  const chart = page.locator('.chart').first();
  await chart.locator('canvas').waitFor();
  await chart.focus();
  // Nearer once: most of the points are seen.
  await page.keyboard.press('+');
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const cpu_s = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
  };
  const before_s = await cpu_s();
  const frames = (await page.evaluate(MOVE)) as number[];
  const cpu_ms_a_frame = Math.round((((await cpu_s()) - before_s) * 10_000) / FRAMES) / 10;
  await page.unroute('**/kpis/query');
  return {
    points: POINTS,
    cpu_ms_a_frame,
    frame_ms: Object.fromEntries(
      [0.5, 0.95, 0.99, 1].map((q) => [
        q === 1 ? 'most' : `p${q * 100}`,
        Math.round(quantileOf(frames, q) * 10) / 10,
      ]),
    ),
  };
}

/** A page of connectors asks how each is: as many requests as widgets. */
async function atOnce(page: Page, url: string): Promise<object> {
  let [running, most, all] = [0, 0, 0];
  const connectors = Array.from({ length: WIDGETS }, (_, at) => ({
    ...{ id: `connector_${at}`, name: `c ${at}`, type: 'webhook', enabled: true },
  }));
  await page.route(`**${BASE}/connectors?**`, (route) => route.fulfill({ json: { connectors } }));
  await page.route(`**${BASE}/connectors/*/status`, async (route) => {
    most = Math.max(most, ++running);
    all++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
    const counts = { in: 1, accepted: 1, dead: 0 };
    await route.fulfill({ json: { health: 'ok', lag: 0, counts, last_record_at: null, error: null } });
  });
  await page.goto(`${url}/app/connectors`);
  for (let shown = 20; shown < WIDGETS; shown += 80) {
    await page.getByRole('button', { name: `Show more of ${WIDGETS} rows` }).click();
  }
  while (all < WIDGETS) await page.waitForTimeout(50);
  return { widgets: WIDGETS, requests_at_once: most };
}
