/** The table of controls: each one alone, what it said, and what the same build would have got without it. Pure; must not print. */
import { wrapped } from './columns.ts';
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
    where === 'world' ? 'none turned off' : offPercent === null ? 'refused' : `${offPercent} % of production`,
  ]);
  return [['control, alone', 'how the wrong build comes', 'it says', 'every lock off'], ...cells];
}

/** Below this the second column would be a stack of single words. */
const LEAST_APPROACH = 30;

/** The same as lines: columns where they fit, else one block for each control. */
export function controlLines(controls: readonly Control[], width: number): readonly string[] {
  if (controls.length === 0) return [];
  const rows = controlCells(controls);
  const widthOf = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 2;
  const [first, third, fourth] = [widthOf(0), widthOf(2), widthOf(3)];
  const second = Math.min(widthOf(1), width - first - third - fourth);
  if (second < LEAST_APPROACH)
    return rows
      .slice(1)
      .flatMap(([control, approach, says, off]) => [`${control}: ${says}`, `    ${approach}`, `    every lock off: ${off}`]);
  return rows.flatMap(([control = '', approach = '', says = '', off = '']) =>
    wrapped(approach, second - 2).map((line, index) => {
      const cells = index === 0 ? [control, line, says, off] : ['', line, '', ''];
      return cells
        .map((cell, column) => cell.padEnd([first, second, third, fourth][column] ?? 0))
        .join('')
        .trimEnd();
    }),
  );
}
