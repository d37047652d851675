import { parseArgs } from 'node:util';
import { asMillraceError, MillraceError } from '../engine/index.ts';

/** 0: done, and all is well. 1: it failed, or a check found something. 2: it was called wrongly. */
export type ExitCode = 0 | 1 | 2;

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** What a value stands for in the help, e.g. `N`. */
  readonly value?: string;
  readonly help: string;
}

export interface CommandArguments {
  readonly positionals: readonly string[];
  /** Throws `usage` when it is not given. */
  required(index: number): string;
  text(option: string): string | undefined;
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
  run(args: CommandArguments, context: CommandContext): Promise<ExitCode>;
}

/** For every command that reads the settings. */
export const PLACE_OPTIONS = {
  'data-dir': { type: 'string', value: 'DIR', help: 'data folder; default: DATA_DIR, else ./data' },
  'nats-url': { type: 'string', value: 'URL', help: 'NATS server; default: NATS_URL, else the embedded one' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const JSON_OPTION = {
  json: { type: 'boolean', help: 'answer as JSON' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

const usage = (message: string): MillraceError => new MillraceError('usage', message);

function argumentsOf(
  command: Command,
  words: readonly string[],
): CommandArguments & { readonly help: boolean } {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } as const };
  const parsed = (() => {
    try {
      return parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
    } catch (error) {
      throw usage(error instanceof Error ? error.message : String(error));
    }
  })();
  const values = parsed.values as Readonly<Record<string, string | boolean | undefined>>;
  const { positionals } = parsed;
  const help = values.help === true;
  if (!help && positionals.length > (command.max_positionals ?? 0)) {
    throw usage(`"${command.name}" does not take "${positionals.at(-1)}".`);
  }
  const text = (option: string): string | undefined => {
    const value = values[option];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    help,
    positionals,
    text,
    flag: (option) => values[option] === true,
    required: (index) => {
      const given = positionals[index];
      if (given === undefined) throw usage(`"${command.name}" needs ${command.parameters ?? 'an argument'}.`);
      return given;
    },
    whole: (option, fallback, min = 1) => {
      const given = text(option);
      const number = given === undefined ? fallback : Number(given);
      if (!Number.isSafeInteger(number) || number < min) {
        throw usage(`--${option} takes a whole number from ${min} on, not "${given}".`);
      }
      return number;
    },
  };
}

function optionHelp(name: string, { value, help }: OptionSpec): string {
  const flag = value === undefined ? `--${name}` : `--${name} ${value}`;
  return `  ${flag.padEnd(22)} ${help}`;
}

export function helpOf({ name, parameters, summary, details = [], options }: Command): string {
  const call = ['millrace', name, parameters, '[options]'].filter((part) => part !== undefined).join(' ');
  const lines = Object.entries(options).map(([option, spec]) => optionHelp(option, spec));
  const text = details.length === 0 ? [] : ['', ...details];
  return [`Usage: ${call}`, '', summary, ...text, '', 'Options:', ...lines, optionHelp('help', HELP)].join(
    '\n',
  );
}

const HELP: OptionSpec = { type: 'boolean', help: 'this text' };

function overview(commands: readonly Command[]): string {
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(20)} ${summary}`);
  return [
    'Usage: millrace [command] [options]',
    '',
    'Commands (without one: start):',
    ...lines,
    '',
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
): Promise<ExitCode> {
  const words = argv.length === 0 ? ['start'] : argv;
  if (['--help', '-h', 'help'].includes(words[0] ?? '')) {
    context.print(overview(commands));
    return 0;
  }
  const command = find(commands, words[0]?.startsWith('-') === true ? ['start', ...words] : words);
  if (command === undefined) {
    context.note(`millrace: unknown command "${words.join(' ')}" [unknown_command]\n\n${overview(commands)}`);
    return 2;
  }
  try {
    const taken = words[0]?.startsWith('-') === true ? 0 : command.name.split(' ').length;
    const args = argumentsOf(command, words.slice(taken));
    if (args.help) {
      context.print(helpOf(command));
      return 0;
    }
    return await command.run(args, withPlace(args, context));
  } catch (thrown) {
    const error = asMillraceError(thrown);
    context.note(`millrace: ${error.message} [${error.code}]`);
    if (error.code === 'internal' && thrown instanceof Error) context.note(String(thrown.stack));
    return error.code === 'usage' ? 2 : 1;
  }
}

/** The options of a place stand for the settings of that name. */
function withPlace(args: CommandArguments, context: CommandContext): CommandContext {
  const [dataDir, natsUrl] = [args.text('data-dir'), args.text('nats-url')];
  return {
    ...context,
    env: {
      ...context.env,
      ...(dataDir === undefined ? {} : { DATA_DIR: dataDir }),
      ...(natsUrl === undefined ? {} : { NATS_URL: natsUrl }),
    },
  };
}
