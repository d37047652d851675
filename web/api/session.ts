import { signal } from '@preact/signals';

/** Who looks: what `GET /permissions/me` says of the key. */
export interface Session {
  readonly key: string;
  readonly name: string;
  readonly role: string;
  readonly tenant: string;
  /** Whether the key is for every tenant, so that another can be chosen. */
  readonly isForAll: boolean;
  readonly permissions: readonly string[];
}

const KEY = 'millrace.session';

/** Null until somebody signs in. */
export const session = signal<Session | null>(stored());

// Kept for the session only: a closed tab forgets the key.
function stored(): Session | null {
  try {
    const text = sessionStorage.getItem(KEY);
    return text === null ? null : (JSON.parse(text) as Session);
  } catch {
    return null;
  }
}

export function keepSession(value: Session | null): void {
  session.value = value;
  try {
    if (value === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(value));
  } catch {
    // A browser without storage asks again after a reload.
  }
}

/** Whether the role allows it; unknown until signed in. `none`: everybody may. */
export function may(permission: string): boolean {
  return (permission === 'none' || session.value?.permissions.includes(permission)) ?? false;
}
