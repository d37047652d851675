import {
  appliedSet,
  CONTROL_TABLE,
  type ControlSet,
  type KvReader,
  META_TABLE,
  readProgress,
} from '../../engine/index.ts';

/** The definitions that a state is of: one that is to say the same needs them. */
export function definitionsOf(state: KvReader): ControlSet | undefined {
  return state.snapshot((table) => {
    const position = readProgress(table(META_TABLE))?.control;
    return position === undefined ? undefined : appliedSet(table(CONTROL_TABLE), position);
  });
}
