/** Tries of this process at once, of all endpoints: sockets and bodies. */
export const TRIES_MAX = 512;
/** Of them, those of one tenant: its endpoints that hang take no place of others. */
export const TENANT_TRIES_MAX = 64;

interface Waiting {
  readonly tenant: string;
  readonly go: () => void;
}

/** Places for tries. Who waits longest is next, unless its tenant has as many as it may. */
export class Slots {
  readonly #max: number;
  readonly #tenantMax: number;
  readonly #byTenant = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor(max = TRIES_MAX, tenantMax = TENANT_TRIES_MAX) {
    this.#max = max;
    this.#tenantMax = tenantMax;
  }

  get taken(): number {
    return this.#taken;
  }

  async run<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    if (this.#hasRoom(tenant)) this.#take(tenant);
    else await new Promise<void>((go) => this.#waiting.push({ tenant, go }));
    try {
      return await work();
    } finally {
      this.#give(tenant);
    }
  }

  #hasRoom(tenant: string): boolean {
    return this.#taken < this.#max && (this.#byTenant.get(tenant) ?? 0) < this.#tenantMax;
  }

  #take(tenant: string): void {
    this.#taken += 1;
    this.#byTenant.set(tenant, (this.#byTenant.get(tenant) ?? 0) + 1);
  }

  #give(tenant: string): void {
    this.#taken -= 1;
    const left = (this.#byTenant.get(tenant) ?? 1) - 1;
    if (left === 0) this.#byTenant.delete(tenant);
    else this.#byTenant.set(tenant, left);
    const at = this.#waiting.findIndex((one) => this.#hasRoom(one.tenant));
    const next = at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
    if (next === undefined) return;
    this.#take(next.tenant);
    next.go();
  }
}
