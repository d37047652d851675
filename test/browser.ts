import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const INSTALL_TIMEOUT_MS = 240_000;

function installed(): string | undefined {
  return [process.env.CHROMIUM, ...PATHS].find((path) => path !== undefined && existsSync(path));
}

/** Debian's Chromium, put onto a machine that is there for one run of the tests. */
function install(): void {
  const options = { stdio: 'ignore' as const, timeout: INSTALL_TIMEOUT_MS };
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    execFileSync('apt-get', ['update', '-qq'], options);
    const packages = ['chromium', 'fonts-dejavu-core'];
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      ...options,
      env,
    });
  } catch {
    // Whoever asks for it hears that there is none.
  }
}

/** Path of a Chromium; undefined where there is none. With CI=true, and as root, it is installed first. */
export function browserPath(): string | undefined {
  if (installed() === undefined && process.env.CI === 'true' && process.getuid?.() === 0) install();
  return installed();
}

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}

/** What a page said that it should not: errors of the console and of scripts, with the page's address. */
export function complaintsOf(page: Page): readonly string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error')
      complaints.push(`${page.url()} ${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => complaints.push(`${page.url()} ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`${page.url()} a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return complaints;
}

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

/** What axe-core finds wrong with a page for people who use it otherwise than most. */
export async function findingsOf(page: Page): Promise<readonly string[]> {
  const source = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  await page.evaluate((await import('node:fs')).readFileSync(source, 'utf8'));
  const { violations } = (await page.evaluate("axe.run({ resultTypes: ['violations'] })")) as {
    violations: readonly Finding[];
  };
  return violations.flatMap(({ id, nodes }) =>
    nodes
      .slice(0, 3)
      .map(({ target, failureSummary }) => `${page.url()} ${id} ${target.join(' ')}: ${failureSummary}`),
  );
}

/** How far parts of a page have moved while it came, without a word from the reader. */
interface Shifts {
  /** Cumulative layout shift, as web vitals count it, but of all of the time: 0 is calm, above 0.1 is felt. */
  readonly score: number;
  /** What moved, by tag and class, the worst first. */
  readonly moved: readonly string[];
}

const WATCH_SHIFTS = `
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (hadRecentInput) continue;
      const moved = sources.map(({ node, previousRect, currentRect }) => {
        const element = node?.nodeType === 1 ? node : node?.parentElement;
        const name = element?.querySelector?.('h2')?.textContent ?? element?.textContent?.slice(0, 30) ?? '';
        const of = element == null ? '' : element.tagName.toLowerCase() + '.' + element.getAttribute('class');
        return of + ' "' + name + '" ' + previousRect.y + '+' + previousRect.height + ' to ' + currentRect.y + '+' + currentRect.height;
      });
      window.shifts.push({ value, moved });
    }
  }).observe({ type: 'layout-shift', buffered: true });`;

/** From here on the pages that are opened in it say by \`shiftsOf\` how much they moved. */
export const watchShifts = (page: Page): Promise<unknown> => page.addInitScript(WATCH_SHIFTS);

/** How much the page has moved since it was opened. */
export async function shiftsOf(page: Page): Promise<Shifts> {
  const shifts = (await page.evaluate('window.shifts')) as readonly {
    readonly value: number;
    readonly moved: readonly string[];
  }[];
  const score = shifts.reduce((sum, { value }) => sum + value, 0);
  const moved = shifts.toSorted((a, b) => b.value - a.value).flatMap((one) => one.moved);
  return { score, moved };
}
