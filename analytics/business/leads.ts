import { type BusinessEvent, idOf, inOrder, isWithin, numberOf, type Within } from './business-event.ts';

const DAY_MS = 86_400_000;
/** In their order; others that events name come behind them. */
const KNOWN_STAGES = ['leads', 'qualified', 'proposal', 'negotiation', 'won', 'lost'] as const;
/** Every lead is one, whatever its first stage is called. */
const FIRST_STAGE = 'leads';

export interface StageOfLeads {
  readonly stage: string;
  readonly count: number;
  /** Σ of the newest values of its leads, minor units. */
  readonly value: number;
}

export interface LeadFunnel {
  readonly funnel: readonly StageOfLeads[];
  /** won ÷ leads */
  readonly win_rate: number | null;
  /** Value won ÷ won. */
  readonly average_deal: number | null;
  /** From the first event of a lead to its first `won`. */
  readonly average_cycle_days: number | null;
  readonly currencies: readonly string[];
}

interface Lead {
  readonly created_ms: number;
  readonly stages: Set<string>;
  value: number;
  currency: string;
  won_ms: number | undefined;
}

/** Leads that were created in the range, each counted in every stage that it ever reached. */
export function leadFunnel(events: readonly BusinessEvent[], range: Within): LeadFunnel {
  const leads = new Map<string, Lead>();
  for (const event of inOrder(events)) {
    const id = idOf(event, 'lead_id');
    if (id === undefined) continue;
    const lead = leads.get(id) ?? newLead(event.time_ms);
    leads.set(id, lead);
    const stage = stageOf(event);
    if (stage !== undefined) lead.stages.add(stage);
    if (stage === 'won') lead.won_ms ??= event.time_ms;
    lead.value = numberOf(event, 'value') ?? numberOf(event, 'amount') ?? lead.value;
    const currency = event.member('currency');
    if (typeof currency === 'string') lead.currency = currency.toUpperCase();
  }
  const ours = [...leads.values()].filter(({ created_ms }) => isWithin(created_ms, range));
  const stages = [
    ...new Set([...KNOWN_STAGES.slice(0, 5), ...ours.flatMap((lead) => [...lead.stages])]),
  ].sort((a, b) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1));
  const won = ours.filter(({ won_ms }) => won_ms !== undefined);
  const wonValue = won.reduce((sum, { value }) => sum + value, 0);
  const cycle_ms = won.reduce((sum, { created_ms, won_ms = 0 }) => sum + won_ms - created_ms, 0);
  return {
    funnel: stages.map((stage) => {
      const inside = ours.filter((lead) => stage === FIRST_STAGE || lead.stages.has(stage));
      return { stage, count: inside.length, value: inside.reduce((sum, { value }) => sum + value, 0) };
    }),
    win_rate: ours.length === 0 ? null : won.length / ours.length,
    average_deal: won.length === 0 ? null : Math.round(wonValue / won.length),
    average_cycle_days: won.length === 0 ? null : cycle_ms / won.length / DAY_MS,
    currencies: [...new Set(ours.flatMap(({ currency, value }) => (value === 0 ? [] : currency)))].sort(),
  };
}

const newLead = (created_ms: number): Lead => ({
  ...{ created_ms, stages: new Set<string>(), value: 0, currency: '', won_ms: undefined },
});

function stageOf(event: BusinessEvent): string | undefined {
  const stage = event.member('stage') ?? event.member('new_stage') ?? event.member('status');
  if (typeof stage !== 'string' || stage === '') return undefined;
  const name = stage.toLowerCase();
  return name === 'lead' || name === 'new' ? FIRST_STAGE : name;
}

function placeOf(stage: string): number {
  const place = (KNOWN_STAGES as readonly string[]).indexOf(stage);
  return place < 0 ? KNOWN_STAGES.length : place;
}
