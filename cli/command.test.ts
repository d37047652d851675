import { describe, expect, it } from 'vitest';
import { MillraceError } from '../engine/index.ts';
import { type Command, type CommandContext, runCommand } from './command.ts';

const echo: Command = {
  name: 'echo words',
  parameters: 'WORD',
  max_positionals: 1,
  summary: 'Says a word again',
  options: {
    times: { type: 'string', value: 'N', help: 'how often' },
    loud: { type: 'boolean', help: 'louder' },
    'data-dir': { type: 'string', value: 'DIR', help: 'a folder' },
  },
  run: (args, { env, print }) => {
    const word = args.required(0);
    for (let left = args.whole('times', 1); left > 0; left--) print(args.flag('loud') ? `${word}!` : word);
    if (env.DATA_DIR !== undefined) print(env.DATA_DIR);
    return Promise.resolve(0);
  },
};
const fail: Command = {
  name: 'start',
  summary: 'Fails',
  options: {},
  run: () => Promise.reject(new MillraceError('no_luck', 'It does not work.')),
};

async function run(...argv: string[]) {
  const [printed, noted]: [string[], string[]] = [[], []];
  const context: CommandContext = {
    env: {},
    print: (line) => void printed.push(line),
    note: (line) => void noted.push(line),
    interruptible: () => new AbortController().signal,
  };
  return { code: await runCommand([echo, fail], argv, context), printed, noted };
}

describe('the command line', () => {
  it('runs the command that the words name, with its options in any order', async () => {
    expect(await run('echo', 'words', '--times', '2', 'hello', '--loud')).toMatchObject({
      code: 0,
      printed: ['hello!', 'hello!'],
    });
  });

  it('takes options of a place for the settings of that name', async () => {
    expect((await run('echo', 'words', 'x', '--data-dir', '/here')).printed).toEqual(['x', '/here']);
  });

  it.each([
    [['echo', 'words']],
    [['echo', 'words', 'a', 'b']],
    [['echo', 'words', 'a', '--times', 'often']],
    [['echo', 'words', 'a', '--times', '0']],
    [['echo', 'words', 'a', '--unknown']],
    [['echo']],
    [['nothing']],
  ])('ends with 2 when called wrongly: %j', async (argv) => {
    const { code, printed, noted } = await run(...argv);
    expect([code, printed, noted.length]).toEqual([2, [], 1]);
  });

  it('ends with 1 and the named error when a command fails; without words it starts', async () => {
    expect(await run()).toEqual({
      code: 1,
      printed: [],
      noted: ['millrace: It does not work. [no_luck]'],
    });
  });

  it('has help for everything and for each command', async () => {
    for (const word of ['--help', '-h', 'help']) {
      const { code, printed } = await run(word);
      expect(code).toBe(0);
      expect(printed.join('\n')).toContain('echo words');
    }
    const { code, printed } = await run('echo', 'words', '--help');
    expect(code).toBe(0);
    expect(printed.join('\n')).toMatch(/millrace echo words WORD \[options\][\s\S]*--times N +how often/);
  });
});
