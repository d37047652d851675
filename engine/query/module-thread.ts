import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Node cannot read TypeScript in a thread: from source (in tests) the thread gets this loader first. */
const SOURCE_LOADER = 'tsx/esm/api';

/** Starts a thread on a module of this package, built or from source. */
export function startModuleThread(module: URL, options: WorkerOptions): Worker {
  if (!module.pathname.endsWith('.ts')) return new Worker(module, options);
  const [loader, url] = [JSON.stringify(SOURCE_LOADER), JSON.stringify(module.href)];
  const code = `import(${loader}).then(({ register }) => { register(); return import(${url}); })`;
  return new Worker(code, { ...options, eval: true });
}
