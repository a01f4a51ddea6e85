/** The table of hazards as plain text, at most 100 columns wide. Must look the same in a pipe. */
import { safeLine } from '../base/text.ts';
import type { Control, Hazard } from '../core/admission/hazard.ts';

/** Widths of the columns; with two blanks before each they make 100. */
const WIDTHS = [24, 29, 14, 25] as const;

const VERDICTS: Readonly<Record<Control['status'], string>> = { verified: 'yes', 'not-verified': 'NOT VERIFIED', absent: 'NO' };

/** One block of lines for each hazard: a row for each control, every cell wrapped in its column. */
export function hazardTable(hazards: readonly Hazard[]): readonly string[] {
  const head = ['hazard', 'what stands in its way', 'level', 'verified just now'];
  return ['hazards', ...row(head), ...row(WIDTHS.map((width) => '-'.repeat(width))), ...hazards.flatMap(block)];
}

function block({ hazard, controls, controlled }: Hazard): readonly string[] {
  const name = controlled ? hazard : `${hazard} NOT CONTROLLED`;
  const rows = controls.map(({ control, level, status, detail }) => [
    control,
    level,
    detail === '' ? VERDICTS[status] : `${VERDICTS[status]}: ${detail}`,
  ]);
  const [first = [], ...others] = rows;
  // A long name runs on beside the rows of the other controls.
  const [nameLines, rest] = [wrap(name, WIDTHS[0]), others.flatMap((cells) => beside(cells))];
  const lines = [...beside(first), ...rest];
  const height = Math.max(nameLines.length, lines.length);
  return Array.from({ length: height }, (_, index) =>
    `  ${(nameLines[index] ?? '').padEnd(WIDTHS[0])}${lines[index] ?? ''}`.trimEnd(),
  );
}

function row([first = '', ...others]: readonly string[]): readonly string[] {
  return beside(others).map((line, index) => `  ${(index === 0 ? first : '').padEnd(WIDTHS[0])}${line}`.trimEnd());
}

/** The cells right of the first column, as lines. */
function beside(cells: readonly string[]): readonly string[] {
  const wrapped = cells.map((cell, index) => wrap(cell, WIDTHS[index + 1] ?? 0));
  const height = Math.max(1, ...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    wrapped.map((lines, index) => `  ${(lines[at] ?? '').padEnd(WIDTHS[index + 1] ?? 0)}`).join(''),
  );
}

/** Words in lines of at most `width` characters; a word that is longer is broken. */
function wrap(text: string, width: number): readonly string[] {
  const words = safeLine(text)
    .split(' ')
    .flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []);
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    if (line !== undefined && [...line].length + 1 + [...word].length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
