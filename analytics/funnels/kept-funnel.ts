import { createHash } from 'node:crypto';
import { MillraceError } from '../../engine/index.ts';
import { requireColumn } from '../filters/index.ts';
import type { KeptDefinition, KeptKind } from '../kept-events/index.ts';
import { askedSegments } from '../query-head/index.ts';
import { EntryAttempts } from './entry-attempts.ts';
import { ENTITY_HASH } from './funnel-events.ts';
import { type FunnelPlan, funnelPlan } from './funnel-plan.ts';
import { type FunnelCriteria, type FunnelEntity, funnelDefinitionSchemaOf } from './funnel-schema.ts';
import { rowTests } from './funnel-tests.ts';

/** The kind of definition that is a funnel. */
export const FUNNEL_DEFINITION = 'funnel';

/** Of the milliseconds between two steps. */
const MAX_WORD = 2 ** 32 - 1;
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
 * of them), with the held properties. Window, entry, ties, and spans of exclusions are questions to these events: where
 * they change, the attempts are found anew from the events.
 */
export function keptFunnelOf(criteria: FunnelCriteria, custom: readonly string[]): KeptDefinition {
  const plan = planOfCriteria(criteria);
  const { entity, hold_constant } = criteria;
  return {
    meaning: hashOf([entity, plan.tests, hold_constant]),
    spec: {
      entity: ENTITY_HASH[entity],
      tests: (texts) => rowTests(plan, custom, texts),
      ...heldColumns(hold_constant, custom),
    },
    attempts: {
      meaning: attemptsMeaning(criteria, plan),
      form: { durations: plan.rules.steps - 1, isWide: plan.rules.window_ms > MAX_WORD },
      finder: () => {
        const attempts = new EntryAttempts(plan, hold_constant.length > 0);
        return (events, into) => attempts.of(events, into);
      },
    },
  };
}

/** All that decides attempts beside the events that are kept. */
function attemptsMeaning({ hold_constant }: FunnelCriteria, plan: FunnelPlan): string {
  const { steps, window_ms, order, entry, ties, exclusions } = plan.rules;
  const { stepsOf, exclusionsOf } = plan;
  return hashOf([steps, window_ms, order, entry, ties, exclusions, stepsOf, exclusionsOf, hold_constant]);
}

function hashOf(meaning: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 16);
}

/** Stored funnels as definitions whose events are kept. */
export function keptFunnels(custom: readonly string[]): KeptKind {
  const schema = funnelDefinitionSchemaOf(custom);
  return {
    kind: FUNNEL_DEFINITION,
    read: (body) => {
      const criteria = schema.parse(body);
      if (askedSegments(criteria, custom) !== undefined) throw ofSegments();
      return keptFunnelOf(criteria, custom);
    },
  };
}

function ofSegments(): MillraceError {
  const message = 'Its steps go by segments, whose customers are found when it is asked: scans answer it.';
  return new MillraceError('segments_not_kept', message);
}
