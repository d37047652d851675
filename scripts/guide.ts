/** A page about what several operators have in common; its example is that of its name. */
export interface Guide {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  /** Paragraphs, headings and tables before the example. */
  readonly parts: readonly string[];
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}
