#!/usr/bin/env node
import { runCli } from './cli/index.ts';
import { letHeapsGrow, PRIVATE_UMASK } from './engine/index.ts';

// Whatever this process and its children write is its owner's alone.
process.umask(PRIVATE_UMASK);
letHeapsGrow();

const code = await runCli(process.argv.slice(2));
// What a user's module or an error has left open must not keep the process; what was printed goes out first.
if (code !== 'running') process.stdout.write('', () => process.exit(code));
