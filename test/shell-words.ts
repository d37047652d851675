/** A request that a curl command of a document or an example sends. For tests. */
export interface CurlRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Fields of a form, those with a `name` being files. */
  readonly form: readonly { readonly field: string; readonly text: string; readonly name?: string }[];
}

/** The words of a shell command: quotes, `\'`, and variables outside of single quotes. */
function wordsOf(command: string, variables: Readonly<Record<string, string>>): string[] {
  const joined = command.replaceAll(/\\\n\s*/g, ' ');
  const part = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(\s+)/gs;
  const filled = (text: string): string =>
    text.replaceAll(/\$(\w+)/g, (whole, name: string) => variables[name] ?? whole);
  const words: string[] = [];
  let word: string | undefined;
  for (const [, single, double, escaped, plain, space] of joined.matchAll(part)) {
    if (space !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + (single ?? escaped ?? filled(double ?? plain ?? ''));
  }
  return word === undefined ? words : [...words, word];
}

/** What curl would send. Throws where the command has an option that is not known here. */
export function curlRequest(command: string, variables: Readonly<Record<string, string>> = {}): CurlRequest {
  const all = wordsOf(command.trim(), variables);
  // What is printed into a pipe is the file of its standard input.
  const input = all[0] === 'printf' ? all[1]?.replaceAll('\\n', '\n') : undefined;
  const [name, ...words] = input === undefined ? all : all.slice(3);
  if (name !== 'curl') throw new Error(`"${name}" is not curl`);
  const headers: Record<string, string> = {};
  const form: { field: string; text: string; name?: string }[] = [];
  let [method, url, body]: (string | undefined)[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const value = (): string => words[++at] ?? '';
    if (word === '-s') continue;
    else if (word === '-o') value();
    else if (word === '-X') method = value();
    else if (word === '-H') {
      const [header = '', ...text] = value().split(': ');
      headers[header.toLowerCase()] = text.join(': ');
    } else if (word === '-d' || word === '--data-binary') body = value();
    else if (word === '-F') {
      const [, field = '', text = ''] = /^(\w+)=(.*)$/.exec(value()) ?? [];
      const [, file] = /^@-;filename=([^;]+)/.exec(text) ?? [];
      form.push(file === undefined ? { field, text } : { field, text: input ?? '', name: file });
    } else if (word.startsWith('-')) throw new Error(`curl has the option ${word}`);
    else url = word;
  }
  if (url === undefined) throw new Error(`"${command}" names no URL`);
  const isPost = body !== undefined || form.length > 0;
  return { method: method ?? (isPost ? 'POST' : 'GET'), url, headers, body, form };
}
