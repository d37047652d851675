/** What a check of `doctor` found. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found, or what is wrong and what to do. */
  readonly text: string;
}

export const ok = (check: string, text: string): Finding => ({ check, ok: true, text });
export const failed = (check: string, text: string): Finding => ({ check, ok: false, text });
