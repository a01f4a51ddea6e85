/** Where text breaks and ends, by the columns that it takes up on a terminal: wide characters take two. Pure. */
import { wrapAnsi } from 'fast-wrap-ansi';
import stringWidth from 'string-width';

/** What stands in front of two blanks is no label, but a sentence, where it is longer. */
const LONGEST_LABEL = 22;

/** In a text for people: one with flags, or at the end. */
const COMMAND = /(?:^|\s)--[a-z]|\bkvdeploy [a-z]+$/;

/** How wide a terminal is; undefined for a pipe, whose reader needs whole lines. */
export function columnsOf(stream: NodeJS.WritableStream): number | undefined {
  const { columns } = stream as Partial<NodeJS.WriteStream>;
  return columns === 0 ? undefined : columns;
}

/** How many columns a line takes up. */
export const widthOf = (line: string): number => stringWidth(line);

/** Cuts a line to `columns`, so that a terminal never wraps it. A wide character that fits only by half is left out. */
export function clip(line: string, columns: number): string {
  if (stringWidth(line) <= columns) return line;
  let [end, width] = [0, 0];
  for (const char of line) {
    width += stringWidth(char);
    if (width > columns) break;
    end += char.length;
  }
  return line.slice(0, end);
}

/** The text in lines of at most `columns`, broken between words, and inside only those that are longer than a line. */
export function wrap(text: string, columns: number): readonly string[] {
  return stringWidth(text) <= columns ? [text] : broken(text, Math.max(1, columns), true);
}

/** Broken between words; a number and its `%` are one. */
function broken(text: string, columns: number, hard: boolean): readonly string[] {
  return wrapAnsi(text.replaceAll(' %', '\u00a0%'), columns, { hard }).replaceAll('\u00a0%', ' %').split('\n');
}

/**
 * A label and its text, which goes on below itself where it is wider than `columns`. Words longer than a line, such as paths, are left
 * for the terminal to break, so that they can be copied.
 */
export function hang(label: string, text: string, columns: number | undefined, indent = stringWidth(label)): string {
  if (columns === undefined || stringWidth(label + text) <= columns) return label + text;
  return label + broken(text, Math.max(20, columns - indent), false).join(`\n${' '.repeat(indent)}`);
}

/** As `hang`, but whole where the text names a command, which can be pasted from one line only. */
export function advice(label: string, text: string, columns: number | undefined): string {
  return hang(label, text, COMMAND.test(text) ? undefined : columns);
}

/** Lines of a text for people, each of which goes on below what follows its labels: leading blanks, and words before two blanks. */
export function fitted(text: string, columns: number | undefined): string {
  const labels = [/^ *(?:\S+(?: \S+)* {2,}){2}/, /^ *\S+(?: \S+)* {2,}/, /^ */];
  const line = (whole: string) => {
    const label = labels.flatMap((one) => one.exec(whole) ?? []).find(({ length }) => length <= LONGEST_LABEL) ?? '';
    return advice(label, whole.slice(label.length), columns);
  };
  return columns === undefined ? text : text.split('\n').map(line).join('\n');
}

/** Blocks of lines next to each other, two blanks apart; the last one needs no width. */
export function sideBySide(blocks: readonly (readonly string[])[], widths: readonly number[]): readonly string[] {
  const padded = (text: string, width = 0) => text + ' '.repeat(Math.max(0, width - stringWidth(text)));
  const height = Math.max(...blocks.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    blocks
      .map((lines, index) => padded(lines[at] ?? '', widths[index]))
      .join('  ')
      .trimEnd(),
  );
}

/** Rows of cells as lines, each cell wrapped in its column. */
export function table(rows: readonly (readonly string[])[], widths = widest(rows)): readonly string[] {
  return rows.flatMap((row) =>
    sideBySide(
      row.map((cell, column) => wrap(cell, widths[column] ?? 0)),
      widths,
    ),
  );
}

/** The widths of columns in which all cells fit, the widest made narrower until a row fits into `columns`. */
export function widest(rows: readonly (readonly string[])[], columns = Number.POSITIVE_INFINITY): readonly number[] {
  let widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => stringWidth(row[column] ?? ''))));
  while (widths.reduce((sum, width) => sum + width + 2, -2) > columns && Math.max(...widths) > 1) {
    const most = widths.indexOf(Math.max(...widths));
    widths = widths.with(most, (widths[most] ?? 0) - 1);
  }
  return widths;
}
