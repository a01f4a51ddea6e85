/** What can befall a simulation, and how many simulations it befell: a sweep that never met one of these has proved nothing about it. */

/** Each is counted where it bites, not where it is drawn: a disk that is full while nobody writes is no fault. */
export const TROUBLES = [
  'crash',
  'crash in a write: half of it is there',
  'power cut',
  'pause',
  'pause, and cannot be ended',
  'told to leave',
  'two operators at once',
  'another host name',
  'another pid namespace',
  'hidepid',
  'takeover',
  'takeover in mid-watch',
  'request refused',
  'request lost',
  'answer lost',
  'request late',
  'request overdue',
  'request overtaken by a later one',
  'request twice',
  'router acknowledges and does nothing',
  'router does it and says otherwise',
  'router does something else',
  'router does not answer',
  'router in trouble',
  'somebody else moves traffic',
  'disk full',
  'disk cannot flush',
  'disk takes half of a write',
  'disk keeps something else',
  'clock jumps ahead',
  'clock jumps back',
  'metrics say nothing',
  'metrics stand still',
  'metrics are down',
  'metrics are slow',
  'counters restart',
  'member down',
  'member arrives',
  'member leaves',
  'member falls silent',
  'member begins to fail',
  'foreign member of several',
  'raise to several members',
  'raise to locations of unequal size',
  'raise without a member that is silent',
  'identity by commit',
  'identity in JSON',
  'rescue program of an earlier version',
  'candidate begins to fail',
  'foreign binary at the candidate',
  'foreign binary at the second location',
  'candidate falls silent',
  'row turns foreign',
  'manifest cannot be read',
  'second state directory',
  'state removed',
  'claim of a process that is not kvdeploy',
  'rescue before any rollout',
  'rescue while checking',
  'rescue while watching',
  'rescue while shifting',
  'rescue while converging',
  'rescue while baking',
  'rescue while reverting',
  'rescue after the end',
] as const;

export type Trouble = (typeof TROUBLES)[number];

/** How a schedule can end; all but `none` (nothing was ever planned) are phases of a rollout. */
export const ENDS = ['none', 'done', 'reverted', 'refused', 'stuck', 'rescued'] as const;

export type Counted = Readonly<Record<string, number>>;

/** Adds up what several processes counted. */
export function together(counted: readonly Counted[]): Counted {
  const all: Record<string, number> = {};
  for (const one of counted) for (const [what, times] of Object.entries(one)) all[what] = (all[what] ?? 0) + times;
  return all;
}

/** Troubles and ends that no simulation ever had. */
export function never(troubles: Counted, ends: Counted): readonly string[] {
  return [...TROUBLES.filter((what) => !troubles[what]), ...ENDS.filter((what) => !ends[what]).map((what) => `end: ${what}`)];
}

/** A line for each, the number of simulations first. */
export function table(troubles: Counted, ends: Counted): string {
  const line = (times: number | undefined, what: string) => `${String(times ?? 0).padStart(9)}  ${what}`;
  return [...TROUBLES.map((what) => line(troubles[what], what)), ...ENDS.map((what) => line(ends[what], `end: ${what}`))].join(
    '\n',
  );
}
