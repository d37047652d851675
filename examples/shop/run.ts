import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import { type RunningApp, startApp } from '../online-retail/app.ts';
import { progressBar } from '../online-retail/progress.ts';
import type { Service } from './client.ts';
import { commandsOf } from './commands.ts';
import { subjectsOf } from './definitions.ts';
import { DAY_MS, type ShopEvent } from './event.ts';
import { shopEvents } from './generator.ts';
import { publishShop } from './publish.ts';
import { SESSION_EVERY_MINUTES } from './sales.ts';

const HELP = `Shop: a month of a small company, and a curl command for each endpoint of all five APIs.

  npm run example -- shop [options]

  --url URL    of a running service, whose tenant gets the shop (default: starts one on a scratch folder, and
               goes on selling until Ctrl-C)
  --key KEY    an admin key of that tenant (default: $MILLRACE_KEY)
  --days N     days before today (31)
  --seed N     another shop (1)
  --every N    minutes from one session to the next (4); less happens, and is there sooner, with 30
  --once       ends at once, where it has started the service itself
  --help       this text

Sent again, the same days change nothing: events have the same ids.
`;

const MAX_DAYS = 366;
/** How often what has happened since is sent. */
const LIVE_PAUSE_MS = 5_000;
/** Nothing that a day begins goes on for longer. */
const LONGEST_LIFE_DAYS = 31;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Options {
  readonly service: Service | undefined;
  readonly shop: { readonly seed: number; readonly days: number; readonly every_minutes: number };
  readonly once: boolean;
  readonly help: boolean;
}

function readOptions(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const bad = (message: string, cause?: unknown): MillraceError =>
    new MillraceError('bad_option', `${message} Ask for --help.`, { cause });
  const read = () => {
    try {
      return parseArgs({
        args: [...args],
        options: {
          url: text,
          key: text,
          days: text,
          seed: text,
          every: text,
          once: flag,
          help: { ...flag, short: 'h' },
        },
      }).values;
    } catch (error) {
      throw bad(error instanceof Error ? error.message : String(error), error);
    }
  };
  const values = read();
  const number = (
    name: 'days' | 'seed' | 'every',
    otherwise: number,
    least: number,
    most: number,
  ): number => {
    const value = Number(values[name] ?? otherwise);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw bad(`--${name} is a whole number from ${least} to ${most}.`);
  };
  const key = values.key ?? process.env.MILLRACE_KEY;
  if (values.url !== undefined && key === undefined) throw bad('--url needs a --key.');
  return {
    service:
      values.url === undefined || key === undefined
        ? undefined
        : { url: values.url.replace(/\/+$/, ''), key },
    shop: {
      seed: number('seed', 1, 0, 2 ** 31 - 1),
      days: number('days', 31, 2, MAX_DAYS),
      every_minutes: number('every', SESSION_EVERY_MINUTES, 1, 60),
    },
    ...{ once: values.once === true, help: values.help === true },
  };
}

/** Publishes the shop and prints the commands; the time up to which it was published. */
async function show(service: Service, { shop }: Options): Promise<number> {
  const now_ms = Date.now();
  const { seed, days } = shop;
  const events = shopEvents({ ...shop, now_ms });
  say(
    `\nPublishing ${days} days of a small company (seed ${seed}) to ${service.url}, and waiting until they count`,
  );
  await publishShop(service, events, progressBar(events.length, process.stdout));
  say('Defining a funnel, a rule, a dashboard, …; training a model');
  const subjects = await subjectsOf(service, { now_ms, days }, events);
  say(`\nA command for each endpoint. First, where it is:\n\nBASE=${service.url} KEY=${service.key}`);
  for (const { title, commands } of commandsOf(subjects)) say(`\n# ${title}\n\n${commands.join('\n')}`);
  return now_ms;
}

/** Sends what happens from now on, as it happens. */
async function goOn(
  service: Service,
  shop: Options['shop'],
  from_ms: number,
  end: AbortSignal,
): Promise<void> {
  let done_ms = from_ms;
  let known_ms = from_ms;
  let coming: readonly ShopEvent[] = [];
  while (!end.aborted) {
    await sleep(LIVE_PAUSE_MS, undefined, { signal: end }).catch(() => {});
    if (end.aborted) return;
    const now_ms = Date.now();
    if (now_ms >= known_ms) {
      known_ms = now_ms + DAY_MS;
      // What follows from the last days happens now.
      const days = Math.ceil((known_ms - done_ms) / DAY_MS) + LONGEST_LIFE_DAYS;
      coming = shopEvents({ ...shop, days, now_ms: known_ms });
    }
    const isDue = ({ time }: ShopEvent): boolean => Date.parse(time) <= now_ms;
    await publishShop(
      service,
      coming.filter((event) => isDue(event) && Date.parse(event.time) > done_ms),
    );
    coming = coming.filter((event) => !isDue(event));
    done_ms = now_ms;
  }
}

async function startedHere(options: Options): Promise<void> {
  const end = new AbortController();
  const ended = new Promise<void>((resolve) => end.signal.addEventListener('abort', () => resolve()));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  // Whoever reads the output may go away, as `head` does: what runs here must still be ended.
  process.stdout.on('error', () => end.abort());
  say('Starting NATS, the engine and the API on a scratch folder');
  const app: RunningApp = await startApp({ log: (line) => process.stderr.write(`  ${line}\n`) });
  try {
    const shown = show(app, options);
    // Whoever interrupts wants the end: what is still being asked then fails, and nobody cares.
    const done_ms = await Promise.race([shown, ended.then(() => undefined)]);
    if (done_ms === undefined) shown.catch(() => {});
    else if (!options.once) {
      say(`\nThe shop goes on selling; ${app.url}/docs describes every route. Ctrl-C ends it.`);
      await goOn(app, options.shop, done_ms, end.signal);
    }
  } finally {
    await app.stop();
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(HELP);
  else if (options.service === undefined) await startedHere(options);
  else await show(options.service, options);
}

main().then(
  () => process.exit(),
  (thrown: unknown) => {
    const error = asMillraceError(thrown);
    process.stderr.write(`example: ${error.message} [${error.code}]\n`);
    process.exit(1);
  },
);
