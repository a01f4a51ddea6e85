/** The table of controls: each one alone, what it said, and what the same build would have got without it. Pure; must not print. */
import type { LockAlone } from './locks.ts';
import type { PlayedRow } from './play.ts';

/** One line of the table. */
export interface Control {
  readonly control: string;
  /** How the wrong build comes to it. */
  readonly approach: string;
  /** `core`: by admission alone, without traffic. `world`: by the real program in the local world. */
  readonly where: 'core' | 'world';
  /** What stopped it; null: nothing did. */
  readonly stoppedBy: string | null;
  /** Percent of production that it gets first with every lock off; null where nothing was turned off. */
  readonly offPercent: number | null;
}

export function controlsOf(locks: readonly LockAlone[], rows: readonly PlayedRow[]): readonly Control[] {
  const cores = locks.map(({ control, world, code, offPercent }) => ({
    control,
    approach: world,
    where: 'core' as const,
    stoppedBy: offPercent === null ? null : code,
    offPercent,
  }));
  const worlds = rows.flatMap(({ control, approach, acts, ended }) => {
    if (control === null) return [];
    const last = acts.findLast(({ exit }) => exit !== null);
    const end = last === undefined ? null : `exit ${last.exit}${last.code === null ? '' : ` ${last.code}`}`;
    const stoppedBy = ended === 'as it must' ? end : null;
    return [{ control, approach: approach ?? '', where: 'world' as const, stoppedBy, offPercent: null }];
  });
  return [...cores, ...worlds];
}

/** The cells of the table, heading first. */
export function controlCells(controls: readonly Control[]): readonly (readonly string[])[] {
  const cells = controls.map(({ control, approach, where, stoppedBy, offPercent }) => [
    control,
    approach,
    stoppedBy ?? 'LET THROUGH',
    where === 'world' ? 'not turned off: real traffic' : offPercent === null ? 'refused' : `${offPercent} % of production`,
  ]);
  return [['control, alone', 'how the wrong build comes', 'it says', 'every lock off'], ...cells];
}

/** The same as lines: columns where they fit, else one block for each control. */
export function controlLines(controls: readonly Control[], width: number): readonly string[] {
  if (controls.length === 0) return [];
  const rows = controlCells(controls);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const whole = widths.reduce((sum, column) => sum + column + 2, 0);
  if (whole <= width)
    return rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2))
        .join('')
        .trimEnd(),
    );
  return rows
    .slice(1)
    .flatMap(([control, approach, says, off]) => [`${control}: ${says}`, `    ${approach}`, `    every lock off: ${off}`]);
}
