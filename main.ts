#!/usr/bin/env node
import { nodeProblem } from './node-version.ts';

const problem = nodeProblem(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`millrace: ${problem}\n`);
  process.exit(1);
}
// Not before: a version without something that they import would only say that it is missing.
const { letHeapsGrow, PRIVATE_UMASK, runCli } = await import('./cli/index.ts');

// Whatever this process and its children write is its owner's alone.
process.umask(PRIVATE_UMASK);
letHeapsGrow();

const code = await runCli(process.argv.slice(2));
// What a user's module or an error has left open must not keep the process; what was printed goes out first.
if (code !== 'running') process.stdout.write('', () => process.exit(code));
