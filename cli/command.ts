import { parseArgs } from 'node:util';

/** 0: done, and all is well. 1: it failed, or a check found something. 2: it was called wrongly. */
export type ExitCode = 0 | 1 | 2;

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** What a value stands for in the help, e.g. `N`. */
  readonly value?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly help: string;
}

/** The command line is not one that the command understands. */
export class UsageError extends Error {}

export interface CommandArguments {
  readonly positionals: readonly string[];
  /** Throws `usage` when it is not given. */
  required(index: number): string;
  text(option: string): string | undefined;
  /** All values of an option that may be given more than once. */
  texts(option: string): readonly string[];
  flag(option: string): boolean;
  /** A whole number from `min` on; throws `usage` for anything else. */
  whole(option: string, fallback: number, min?: number): number;
}

/** The world of a command, handed in so that a test can look at it. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A line of the answer. */
  readonly print: (line: string) => void;
  /** A line for a person: progress, warnings. */
  readonly note: (line: string) => void;
  /** From this call on SIGINT and SIGTERM abort the signal instead of ending the process. */
  readonly interruptible: () => AbortSignal;
}

export interface Command {
  /** Words after `millrace`. */
  readonly name: string;
  /** Positional arguments as the help shows them. */
  readonly parameters?: string;
  readonly max_positionals?: number;
  readonly summary: string;
  /** More than the summary, a line each. */
  readonly details?: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Loads the command's code first: the command line itself must start fast. */
  run(args: CommandArguments, context: CommandContext): Promise<ExitCode | Running>;
}

/** The command left something behind that runs until a signal ends the process. */
export type Running = 'running';

/** For every command that has to know where state and streams are. */
export const PLACE_OPTIONS = {
  'data-dir': { type: 'string', value: 'DIR', help: 'data folder; default: DATA_DIR, else ./data' },
  context: {
    type: 'string',
    value: 'NAME',
    help: 'context of the nats command: server and credentials; default: NATS_CONTEXT',
  },
  'nats-url': { type: 'string', value: 'URL', help: 'NATS server; default: NATS_URL, else the embedded one' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** For every command that works on a topology. */
export const TOPOLOGY_OPTION = {
  topology: {
    type: 'string',
    value: 'FILE[#NAME]',
    help: 'your topology: a module that exports one; default: MILLRACE_TOPOLOGY, else the order analytics',
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const JSON_OPTION = {
  json: { type: 'boolean', help: 'answer as JSON' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

function argumentsOf(
  command: Command,
  words: readonly string[],
): CommandArguments & { readonly help: boolean } {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } as const };
  const parsed = (() => {
    try {
      return parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new UsageError(`${message.split('. ')[0]?.replace(/\.$/, '')}.`);
    }
  })();
  const values = parsed.values as Readonly<Record<string, string | boolean | string[] | undefined>>;
  const { positionals } = parsed;
  const help = values.help === true;
  if (!help && positionals.length > (command.max_positionals ?? 0)) {
    throw new UsageError(`"${command.name}" does not take "${positionals.at(-1)}".`);
  }
  const text = (option: string): string | undefined => {
    const value = values[option];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    help,
    positionals,
    text,
    texts: (option) => {
      const given = values[option];
      return Array.isArray(given) ? given : [];
    },
    flag: (option) => values[option] === true,
    required: (index) => {
      const given = positionals[index];
      if (given === undefined)
        throw new UsageError(`"${command.name}" needs ${command.parameters ?? 'an argument'}.`);
      return given;
    },
    whole: (option, fallback, min = 1) => {
      const given = text(option);
      const number = given === undefined ? fallback : Number(given);
      if (!Number.isSafeInteger(number) || number < min) {
        throw new UsageError(`--${option} takes a whole number from ${min} on, not "${given}".`);
      }
      return number;
    },
  };
}

function optionHelp(name: string, { value, help }: OptionSpec): string {
  const flag = value === undefined ? `--${name}` : `--${name} ${value}`;
  return `  ${flag.padEnd(OPTION_WIDTH)} ${help}`;
}

const OPTION_WIDTH = 24;

export function helpOf({ name, parameters, summary, details = [], options }: Command): string {
  const call = ['millrace', name, parameters, '[options]'].filter((part) => part !== undefined).join(' ');
  const lines = Object.entries(options).map(([option, spec]) => optionHelp(option, spec));
  const text = details.length === 0 ? [] : ['', ...details];
  return [`Usage: ${call}`, '', summary, ...text, '', 'Options:', ...lines, optionHelp('help', HELP)].join(
    '\n',
  );
}

const HELP: OptionSpec = { type: 'boolean', help: 'this text' };

function overview(commands: readonly Command[], words: readonly string[] = []): string {
  const [group] = words;
  const ofGroup = commands.filter(({ name }) => name.startsWith(`${group} `));
  return ofGroup.length === 0
    ? overviewOf(commands, 'Commands (without one: start):')
    : overviewOf(ofGroup, 'Commands:');
}

function overviewOf(commands: readonly Command[], title: string): string {
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(20)} ${summary}`);
  return [
    'Usage: millrace [command] [options]',
    '',
    title,
    ...lines,
    '',
    'They work on the order analytics that come with millrace, or with --topology FILE on a topology of yours.',
    '"millrace COMMAND --help" says more. Exit codes: 0 done, 1 failed or something found, 2 wrong usage.',
  ].join('\n');
}

/** The command that the words begin with, the longest name first. */
function find(commands: readonly Command[], words: readonly string[]): Command | undefined {
  const isNamed = ({ name }: Command): boolean =>
    name.split(' ').every((part, index) => words[index] === part);
  return [...commands].sort((a, b) => b.name.length - a.name.length).find(isNamed);
}

/** Runs what the arguments ask for and says how it ended; errors become one line of `note`. */
export async function runCommand(
  commands: readonly Command[],
  argv: readonly string[],
  context: CommandContext,
): Promise<ExitCode | Running> {
  const words = argv.length === 0 ? ['start'] : argv;
  if (['--help', '-h', 'help'].includes(words[0] ?? '')) {
    context.print(overview(commands));
    return 0;
  }
  const command = find(commands, words[0]?.startsWith('-') === true ? ['start', ...words] : words);
  if (command === undefined) {
    const known = overview(commands, words);
    if (['--help', '-h'].includes(words[1] ?? '')) {
      context.print(known);
      return 0;
    }
    context.note(`millrace: unknown command "${words.join(' ')}" [unknown_command]\n\n${known}`);
    return 2;
  }
  try {
    const taken = words[0]?.startsWith('-') === true ? 0 : command.name.split(' ').length;
    const args = argumentsOf(command, words.slice(taken));
    if (args.help) {
      context.print(helpOf(command));
      return 0;
    }
    return await command.run(args, await withPlace(command, args, context));
  } catch (thrown) {
    if (thrown instanceof UsageError) {
      context.note(`millrace: ${thrown.message} "millrace ${command.name} --help" says more. [usage]`);
      return 2;
    }
    const { asMillraceError } = await import('../engine/index.ts');
    const error = asMillraceError(thrown);
    context.note(`millrace: ${error.message} [${error.code}]`);
    if (error.operator !== undefined)
      context.note(`It came from a function of the operator "${error.operator}":`);
    if (error.code === 'internal') context.note(String(rootOf(thrown).stack));
    return 1;
  }
}

/** The first error of a chain of causes: its stack shows whose function it was. */
function rootOf(thrown: unknown): Error {
  let error = thrown instanceof Error ? thrown : new Error(String(thrown));
  while (error.cause instanceof Error) error = error.cause;
  return error;
}

/** Options that stand for the settings of their name. */
const SETTING_OF = {
  'data-dir': 'DATA_DIR',
  'nats-url': 'NATS_URL',
  'on-gap': 'ON_GAP',
  topology: 'MILLRACE_TOPOLOGY',
} as const;

/** `--nats-url` wins over the URL of a context, as with the nats command. */
async function withPlace(
  command: Command,
  args: CommandArguments,
  context: CommandContext,
): Promise<CommandContext> {
  const given = Object.entries(SETTING_OF).flatMap(([option, setting]) => {
    const value = args.text(option);
    return value === undefined ? [] : [[setting, value]];
  });
  const name = args.text('context') ?? context.env.NATS_CONTEXT?.trim() ?? '';
  const ofContext =
    name === '' || !('context' in command.options)
      ? {}
      : (await import('./given/index.ts')).contextSettings(name, context.env);
  return { ...context, env: { ...context.env, ...ofContext, ...Object.fromEntries(given) } };
}
