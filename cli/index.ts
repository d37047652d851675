import { type CommandContext, type ExitCode, type Running, runCommand } from './command.ts';
import { COMMANDS } from './commands.ts';

export { letHeapsGrow, PRIVATE_UMASK } from '../engine/index.ts';
export { COMMANDS } from './commands.ts';

function interruptible(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

const PROCESS: CommandContext = {
  env: process.env,
  print: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`${line}\n`),
  interruptible,
};

// Whoever reads the answer may have seen enough: "millrace state get ... | head".
process.stdout.on('error', (error: Error & { readonly code?: string }) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

/** Runs the command line of this process. */
export function runCli(
  argv: readonly string[],
  context: CommandContext = PROCESS,
): Promise<ExitCode | Running> {
  return runCommand(COMMANDS, argv, context);
}
