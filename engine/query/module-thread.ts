import { Worker, type WorkerOptions } from 'node:worker_threads';

/** The root of the sources, or of what is built of them. */
const ROOT = new URL('../../', import.meta.url).href;

/**
 * A thread runs JavaScript only: of a source (in tests) this is the built file, which the tests' global setup makes
 * first. Another URL stays as it is.
 */
export function builtModule(url: string): string {
  if (!url.endsWith('.ts') || !url.startsWith(ROOT)) return url;
  return `${ROOT}dist/${url.slice(ROOT.length, -'.ts'.length)}.js`;
}

/** Starts a thread on a module of this package, built or from source. */
export function startModuleThread(module: URL, options: WorkerOptions): Worker {
  return new Worker(new URL(builtModule(module.href)), options);
}
