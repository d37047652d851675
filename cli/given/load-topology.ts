import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MillraceError, type Publisher, type Topology } from '../../engine/index.ts';

/**
 * Loads a topology from `FILE` or `FILE#NAME`: the export of that name; without one the default export, or
 * else the only export that is a topology. A topology of another copy of the package is one, too. Throws
 * `topology_not_found`, `topology_ambiguous` and, with what the module threw, `topology_module_failed`.
 */
export async function loadTopology(given: string, cwd: string = process.cwd()): Promise<Topology> {
  const { path, name } = fileOf(given, cwd);
  const exported = await exportsOf(path);
  const found = new Map(
    Object.entries(exported).filter((entry): entry is [string, Topology] => isTopology(entry[1])),
  );
  const chosen = name === undefined ? choose(found, given) : found.get(name);
  if (chosen !== undefined) return chosen;
  throw new MillraceError('topology_not_found', missing(path, name, exported, [...found.keys()]));
}

/**
 * The export `publisher` of the module that a topology comes from: what sends the messages that it owes, around the
 * one to JetStream. Undefined where there is none; throws `topology_module_failed` where it is no function.
 */
export async function loadPublisher(
  given: string,
  cwd: string = process.cwd(),
): Promise<((next: Publisher) => Publisher) | undefined> {
  const { path } = fileOf(given, cwd);
  const { publisher } = await exportsOf(path);
  if (publisher === undefined || isFunction(publisher)) return publisher;
  throw new MillraceError(
    'topology_module_failed',
    `${path} exports a "publisher" that is no function. Make it (next) => a publisher, e.g. (next) => new CallbackPublisher(next).register("mail", sendMail).`,
  );
}

/** What it takes and gives is the module's word. */
function isFunction(value: unknown): value is (next: Publisher) => Publisher {
  return typeof value === 'function';
}

function fileOf(given: string, cwd: string): { readonly path: string; readonly name: string | undefined } {
  const whole = resolve(cwd, given);
  const hash = given.lastIndexOf('#');
  const isSplit = hash > 0 && !existsSync(whole);
  const path = isSplit ? resolve(cwd, given.slice(0, hash)) : whole;
  if (!existsSync(path) || !statSync(path).isFile()) {
    const what = existsSync(path) ? 'is a folder, not a file' : 'is not there';
    throw new MillraceError(
      'topology_not_found',
      `${path} ${what}. Name the module that exports your topology: FILE or FILE#EXPORT.`,
    );
  }
  return { path, name: isSplit ? given.slice(hash + 1) : undefined };
}

async function exportsOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    if (TYPESCRIPT.test(path) && !RUNS_TYPESCRIPT) await useTsx(path);
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (thrown) {
    throw new MillraceError('topology_module_failed', `${path} could not be loaded: ${whyOf(path, thrown)}`, {
      cause: thrown,
    });
  }
}

const TYPESCRIPT = /\.[cm]?tsx?$/;
/** Newer versions of node do it by themselves. */
const RUNS_TYPESCRIPT = Boolean(Reflect.get(process.features, 'typescript'));

/** A project that has tsx need not be built. */
async function useTsx(path: string): Promise<void> {
  let loader: string;
  try {
    loader = createRequire(path).resolve('tsx');
  } catch {
    // Then the import says that node does not run TypeScript.
    return;
  }
  // As "node --import tsx" does.
  await import(pathToFileURL(loader).href);
}

function whyOf(path: string, thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && TYPESCRIPT.test(path)) {
    return (
      `node ${process.versions.node} does not run TypeScript by itself. Build it first (npx tsc) and name ` +
      'the .js file that comes of it, or install tsx in its project (npm install --save-dev tsx).'
    );
  }
  if (!(thrown instanceof Error)) return `it threw ${String(thrown)}.`;
  const message = thrown.message.replace(/\.$/, '');
  // The place of a syntax error is known to node alone, which prints it.
  if (thrown instanceof SyntaxError) return `${message}. "node ${path}" shows where.`;
  return `${message}${placeOf(thrown)}.`;
}

/** Where it happened, as the first line of a stack that names a module. */
function placeOf({ stack = '' }: Error): string {
  const place = /^ +at .*?file:\/\/([^\s)]+)\)?$/m.exec(stack)?.[1];
  return place === undefined || place.startsWith(import.meta.filename) ? '' : ` (at ${place})`;
}

const METHODS = ['describe', 'draw', 'tables', 'start'] as const;

/** By its shape: another copy of the package has another class. */
function isTopology(value: unknown): value is Topology {
  if (typeof value !== 'object' || value === null) return false;
  const { name, sources } = value as Partial<Topology>;
  const hasMethods = METHODS.every((method) => typeof Reflect.get(value, method) === 'function');
  return typeof name === 'string' && Array.isArray(sources) && hasMethods;
}

/** Without a name: the default export, or the only topology under whatever names. */
function choose(found: ReadonlyMap<string, Topology>, given: string): Topology | undefined {
  const fallback = found.get('default');
  if (fallback !== undefined) return fallback;
  const different = new Set(found.values());
  if (different.size > 1) {
    const names = [...found.keys()];
    throw new MillraceError(
      'topology_ambiguous',
      `${given} exports several topologies: ${names.join(', ')}. Name one, e.g. ${given}#${names[0]}, or make one the default export.`,
    );
  }
  return [...different][0];
}

function missing(
  path: string,
  name: string | undefined,
  exported: Readonly<Record<string, unknown>>,
  topologies: readonly string[],
): string {
  const wanted = name === undefined ? 'exports no topology' : `has no topology "${name}"`;
  const functions = Object.keys(exported).filter((key) => typeof exported[key] === 'function');
  const hint =
    topologies.length === 0 && functions.length > 0
      ? ` ${functions.join(', ')}: a function; export what it returns.`
      : '';
  const there =
    topologies.length === 0
      ? ` Its exports are ${Object.keys(exported).join(', ') || 'none'}; export what topology(…) returns.`
      : ` Its topologies are ${topologies.join(', ')}.`;
  return `${path} ${wanted}.${there}${hint}`;
}
