import { type Command, type CommandContext, type ExitCode, runCommand } from './command.ts';
import { deadletterCommands } from './deadletters.ts';
import { doctorCommand } from './doctor.ts';
import { replayCommand } from './replay.ts';
import { startCommand } from './start.ts';
import { stateCommands } from './state.ts';
import { topologyCommands } from './topology.ts';

export const COMMANDS: readonly Command[] = [
  startCommand,
  ...topologyCommands,
  ...stateCommands,
  replayCommand,
  ...deadletterCommands,
  doctorCommand,
];

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

/** Runs the command line of this process. A started service goes on after it has resolved. */
export function runCli(argv: readonly string[], context: CommandContext = PROCESS): Promise<ExitCode> {
  return runCommand(COMMANDS, argv, context);
}
