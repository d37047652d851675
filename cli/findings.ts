import { asMillraceError } from '../engine/index.ts';

/** What a check of `doctor` found. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found, or what is wrong and what to do. */
  readonly text: string;
}

export const ok = (check: string, text: string): Finding => ({ check, ok: true, text });
export const failed = (check: string, text: string): Finding => ({ check, ok: false, text });

/** With the code of what was thrown, by which the page of errors is searched. */
export const failedBy = (check: string, thrown: unknown): Finding => {
  const { code, message } = asMillraceError(thrown);
  return failed(check, `${message} [${code}]`);
};
