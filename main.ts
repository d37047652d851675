#!/usr/bin/env node
import { runCli } from './cli/index.ts';

const code = await runCli(process.argv.slice(2));
// What is still running after an error must not keep the process; what was printed goes out first.
if (code !== 0) process.stdout.write('', () => process.exit(code));
