/** The two columns of a replay, and its table of controls, as lines. Pure; must not print. */
import type { CheckAlone } from './checks-alone.ts';
import type { PlayedRow } from './player.ts';

const TIME_WIDTH = 16;

const MOST = 150;

/** Below this, two columns are too narrow to read, and one follows the other. */
const LEAST = 90;

/** One block: the left text next to the lines on the right. No line is wider than `width`, except for longer words. */
export function block(time: string, left: string, right: readonly string[], width: number): readonly string[] {
  const whole = Math.min(width, MOST);
  if (whole < LEAST) return stacked(time, left, right, whole);
  const leftWidth = Math.floor((whole - TIME_WIDTH) * 0.42);
  const rightWidth = whole - TIME_WIDTH - leftWidth - 3;
  const lefts = wrapped(left, leftWidth);
  const rights = right.flatMap((line) => wrapped(line, rightWidth));
  return Array.from({ length: Math.max(lefts.length, rights.length) }, (_, index) => {
    const cells = [
      (index === 0 ? time : '').padEnd(TIME_WIDTH),
      (lefts[index] ?? '').padEnd(leftWidth),
      ' │ ',
      rights[index] ?? '',
    ];
    return cells.join('').trimEnd();
  });
}

function stacked(time: string, left: string, right: readonly string[], width: number): readonly string[] {
  const lefts = wrapped(left === '' ? time : `${time === '' ? '' : `${time}  `}${left}`, width);
  return [...lefts, ...right.flatMap((line) => wrapped(line, width - 4)).map((line) => `    ${line}`)].filter(
    (line) => line !== '',
  );
}

/** Broken at spaces; what follows a line's own indentation hangs two further in. */
export function wrapped(text: string, width: number): readonly string[] {
  if (text === '') return [];
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.trim().split(' ')) {
    const margin = lines.length === 0 ? indent : `${indent}  `;
    if (line !== '' && margin.length + line.length + 1 + word.length > width) {
      lines.push(margin + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push((lines.length === 0 ? indent : `${indent}  `) + line);
  return lines;
}

/** One line of the table of controls: a control on its own, and what the same build would have got without it. */
export interface Control {
  readonly control: string;
  /** How the wrong build gets to it. */
  readonly approach: string;
  /** `core`: by admission alone, without traffic. `world`: by the real program in the local world. */
  readonly where: 'core' | 'world';
  /** What stopped it; null: nothing did. */
  readonly stoppedBy: string | null;
  /** Percent of production that it gets first with every check off; null if nothing was turned off. */
  readonly offPercent: number | null;
}

export function controlsOf(checks: readonly CheckAlone[], rows: readonly PlayedRow[]): readonly Control[] {
  const cores = checks.map(({ control, approach, code, offPercent }) => ({
    control,
    approach,
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
    stoppedBy ?? 'NOT STOPPED',
    where === 'world' ? 'none turned off' : offPercent === null ? 'refused' : `${offPercent} % of production`,
  ]);
  return [['control, on its own', 'how the wrong build gets in', 'result', 'with every check off'], ...cells];
}

/** Below this the second column would be a stack of single words. */
const LEAST_APPROACH = 30;

/** The same as lines: columns if they fit, else one block for each control. */
export function controlLines(controls: readonly Control[], width: number): readonly string[] {
  if (controls.length === 0) return [];
  const rows = controlCells(controls);
  const widthOf = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 2;
  const [first, third, fourth] = [widthOf(0), widthOf(2), widthOf(3)];
  const second = Math.min(widthOf(1), width - first - third - fourth);
  if (second < LEAST_APPROACH)
    return rows
      .slice(1)
      .flatMap(([control, approach, says, off]) => [
        `${control}: ${says}`,
        `    ${approach}`,
        `    with every check off: ${off}`,
      ]);
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
