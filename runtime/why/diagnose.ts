import { Counts } from './counts.ts';
import type { Cause, WhyFacts } from './facts.ts';
import { flowCauses } from './flow-causes.ts';
import { sendCauses } from './send-causes.ts';
import { streamCauses } from './stream-causes.ts';
import { taskCauses } from './task-causes.ts';

/**
 * Why nothing comes out of a topology, or of a part of it: every cause that the facts show, what has to be mended
 * first before the others; none where all is well. Pure.
 */
export function diagnose(facts: WhyFacts): readonly Cause[] {
  const counts = new Counts(facts.host?.samples ?? []);
  const ofTask = taskCauses(facts);
  const isUp = ofTask.length === 0;
  // A task that does not run makes no progress, whatever else there is to say of its operators.
  const rest = isUp ? [...flowCauses(facts.topology, counts), ...sendCauses(facts, counts)] : [];
  return unique([...ofTask, ...streamCauses(facts, counts), ...rest]);
}

/** One thing is said once, by whoever says it first. */
function unique(causes: readonly Cause[]): readonly Cause[] {
  const told = new Set<string>();
  return causes.filter(({ code, place }) => {
    const stream = /stream (\S+?)\)?$/.exec(place)?.[1];
    const key = `${code} ${stream ?? place}`;
    if (told.has(key)) return false;
    told.add(key);
    return true;
  });
}
