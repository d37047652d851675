import { type BusinessEvent, idOf, inOrder, isWithin, type Within } from './business-event.ts';

export interface StaffNumbers {
  /** At the end of the range. */
  readonly headcount: number;
  readonly joins: number;
  readonly leaves: number;
  /** leaves ÷ mean of the headcounts at the start and at the end */
  readonly turnover: number | null;
  /** Days of employees with an attendance ÷ those of all who were employed, on days on which anybody attended. */
  readonly attendance_rate: number | null;
  readonly by_department: readonly { readonly department: string | null; readonly headcount: number }[];
}

interface Stay {
  readonly department: string | null;
  readonly from_ms: number;
  to_ms: number;
}

/** `localDay` numbers the days of the tenant's calendar. */
export function staffNumbers(
  events: readonly BusinessEvent[],
  range: Within,
  localDay: (time_ms: number) => number,
): StaffNumbers {
  const stays = new Map<string, Stay[]>();
  const attended = new Map<number, Set<string>>();
  for (const event of inOrder(events)) {
    const id = idOf(event, 'employee_id');
    if (id === undefined) continue;
    const own = stays.get(id) ?? [];
    const last = own.at(-1);
    const isEmployed = last !== undefined && last.to_ms === Number.POSITIVE_INFINITY;
    if (event.type === 'employee.joined' && !isEmployed) stays.set(id, [...own, stayFrom(event)]);
    else if (event.type === 'employee.left' && isEmployed) last.to_ms = event.time_ms;
    else if (event.type === 'employee.attended' && isWithin(event.time_ms, range) && isPresent(event)) {
      const day = localDay(event.time_ms);
      attended.set(day, (attended.get(day) ?? new Set()).add(id));
    }
  }
  const all = [...stays.values()].flat();
  const at = (time_ms: number): readonly Stay[] =>
    all.filter(({ from_ms, to_ms }) => from_ms <= time_ms && to_ms > time_ms);
  const [before, after] = [at(range.start_ms - 1), at(range.end_ms - 1)];
  const leaves = all.filter(({ to_ms }) => isWithin(to_ms, range)).length;
  const mean = (before.length + after.length) / 2;
  return {
    headcount: after.length,
    joins: all.filter(({ from_ms }) => isWithin(from_ms, range)).length,
    leaves,
    turnover: mean === 0 ? null : leaves / mean,
    attendance_rate: attendanceRate(attended, stays, localDay),
    by_department: departmentsOf(after),
  };
}

const stayFrom = (event: BusinessEvent): Stay => {
  const department = event.member('department');
  return {
    department: typeof department === 'string' ? department : null,
    ...{ from_ms: event.time_ms, to_ms: Number.POSITIVE_INFINITY },
  };
};

/** An attendance may say that somebody was not there. */
const isPresent = (event: BusinessEvent): boolean =>
  event.member('present') !== false && event.member('status') !== 'absent';

function attendanceRate(
  attended: ReadonlyMap<number, ReadonlySet<string>>,
  stays: ReadonlyMap<string, readonly Stay[]>,
  localDay: (time_ms: number) => number,
): number | null {
  let [present, expected] = [0, 0];
  const spans = [...stays].map(([id, own]) => ({
    id,
    days: own.map(({ from_ms, to_ms }) => ({
      first: localDay(from_ms),
      last: to_ms === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : localDay(to_ms),
    })),
  }));
  for (const [day, ids] of attended) {
    for (const { id, days } of spans) {
      if (!days.some(({ first, last }) => day >= first && day <= last)) continue;
      expected++;
      if (ids.has(id)) present++;
    }
  }
  return expected === 0 ? null : present / expected;
}

function departmentsOf(stays: readonly Stay[]): StaffNumbers['by_department'] {
  const counts = new Map<string | null, number>();
  for (const { department } of stays) counts.set(department, (counts.get(department) ?? 0) + 1);
  return [...counts]
    .map(([department, headcount]) => ({ department, headcount }))
    .sort((a, b) => b.headcount - a.headcount || (`${a.department}` < `${b.department}` ? -1 : 1));
}
