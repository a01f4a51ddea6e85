/** Lays a story out in two columns: what happened, what kvdeploy did. Pure text; must not print. */

const TIME_WIDTH = 16;

const MOST = 150;

/** Below this two columns are too narrow to read, and one follows the other. */
const LEAST = 90;

/** One block: the left text beside the lines on the right. No line is wider than `width`, save words that are. */
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
