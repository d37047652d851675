import { createHash } from 'node:crypto';
import { requireColumn } from '../filters/index.ts';
import type { KeptDefinition, KeptKind } from '../kept-events/index.ts';
import { ENTITY_HASH } from './funnel-events.ts';
import { type FunnelPlan, funnelPlan } from './funnel-plan.ts';
import { type FunnelCriteria, type FunnelEntity, funnelDefinitionSchemaOf } from './funnel-schema.ts';
import { rowTests } from './funnel-tests.ts';

/** The kind of definition that is a funnel. */
export const FUNNEL_DEFINITION = 'funnel';

const ALL_TIME = { start_ms: Number.NEGATIVE_INFINITY, end_ms: Number.POSITIVE_INFINITY };

/** A funnel without what a query asks of it. */
export function planOfCriteria(criteria: FunnelCriteria, range = ALL_TIME): FunnelPlan {
  return funnelPlan({ ...criteria, group_by: [], attribution: 'first_step' }, range);
}

/** Columns of the held properties: of texts, and of ids. */
function heldColumns(hold_constant: FunnelCriteria['hold_constant'], custom: readonly string[]) {
  const isId = (name: string): name is FunnelEntity => name in ENTITY_HASH;
  return {
    codes: hold_constant.filter((name) => !isId(name)).map((name) => requireColumn(name, custom).column),
    hashes: hold_constant.filter(isId).map((name) => ENTITY_HASH[name]),
  };
}

/**
 * What is kept for a funnel: of each entity the events that fill a step or match an exclusion (of a strict one all
 * of them), with the held properties. Window, entry, ties, and spans of exclusions are questions to these events, so
 * a change of them needs no building.
 */
export function keptFunnelOf(criteria: FunnelCriteria, custom: readonly string[]): KeptDefinition {
  const plan = planOfCriteria(criteria);
  const { entity, hold_constant } = criteria;
  const meaning = JSON.stringify([entity, plan.tests, hold_constant]);
  return {
    meaning: createHash('sha256').update(meaning).digest('hex').slice(0, 16),
    spec: {
      entity: ENTITY_HASH[entity],
      tests: (texts) => rowTests(plan, custom, texts),
      ...heldColumns(hold_constant, custom),
    },
  };
}

/** Stored funnels as definitions whose events are kept. */
export function keptFunnels(custom: readonly string[]): KeptKind {
  const schema = funnelDefinitionSchemaOf(custom);
  return { kind: FUNNEL_DEFINITION, read: (body) => keptFunnelOf(schema.parse(body), custom) };
}
