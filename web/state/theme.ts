import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const KEY = 'millrace.theme';

const isTheme = (text: string | null): text is Theme =>
  text === 'light' || text === 'dark' || text === 'auto';

function stored(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return isTheme(text) ? text : 'auto';
  } catch {
    return 'auto';
  }
}

export const theme = signal<Theme>(stored());
/** Counts changes of colours: what is painted on a canvas is painted again. */
export const colours = signal(0);

export function setTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts until the page is loaded again.
  }
  show();
}

/** Puts the theme on the page. */
export function show(): void {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  colours.value++;
}

/** A colour of the style sheet, as it is now. */
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
