/** Source text with places: turns an offset into line, column and code frame. Must not read files. */
import type { Finding } from '../../core/errors.ts';

/** The text of one file, checked to be plain UTF-8. */
export interface SourceText {
  /** As findings name it. */
  readonly file: string;
  readonly text: string;
  /** Offsets at which the lines begin. */
  readonly lineStarts: readonly number[];
}

/** Offsets into the text: from, and the one after the last. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is wrong there, without the place. */
export type Trouble = Pick<Finding, 'code' | 'message' | 'fix'> & Partial<Pick<Finding, 'kind' | 'related'>>;

const LONGEST_FRAME = 400;

/** More than these are never collected of one file. */
export const MOST_FINDINGS = 100;

export function sourceText(file: string, text: string): SourceText {
  const lineStarts = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) lineStarts.push(match.index + match[0].length);
  return { file, text, lineStarts };
}

/** Line and column, both from 1; columns count UTF-16 units, as editors do. */
export function placeOf(source: SourceText, offset: number): { line: number; column: number } {
  let low = 0;
  let high = source.lineStarts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((source.lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (source.lineStarts[low] ?? 0) + 1 };
}

/** A finding with its place and code frame. `kind` is syntax unless said otherwise. The line is not shown from the offset `secretFrom` on. */
export function findingAt(source: SourceText, span: Span, trouble: Trouble, secretFrom?: number): Finding {
  const from = Math.min(span.from, source.text.length);
  const { line, column } = placeOf(source, from);
  const shown = secretFrom === undefined ? undefined : secretFrom - from + column - 1;
  const frame = frameOf(lineText(source, line), column, span.to - from, shown);
  return {
    kind: 'syntax',
    ...trouble,
    message: trouble.message.replace(USER_INFO, '://***@'),
    file: source.file,
    line,
    column,
    ...(frame === undefined ? {} : { frame }),
  };
}

/** The line, without what is written as the value of a secret, and without users and passwords in addresses: findings end up in logs. */
function frameOf(written: string, column: number, wide: number, shown: number | undefined): Finding['frame'] {
  // Long lines would take long, too.
  if (written.length > LONGEST_FRAME) return undefined;
  const before = written.slice(0, column - 1);
  const cut = shown === undefined ? written : `${written.slice(0, shown)}***`;
  const text = cut.replace(USER_INFO, '://***@').replace(SECRET_KEY, '$1***');
  // In a line that is changed before the place, the mark would stand at another one.
  if (!text.startsWith(before)) return undefined;
  return { text, length: Math.max(1, Math.min(wide, text.length - column + 1)) };
}

/** A finding about a file of which there is no text to show. */
export function findingWithoutText(file: string, trouble: Trouble): Finding {
  return { kind: 'syntax', ...trouble, file, line: 1, column: 1 };
}

/** At most a hundred findings of one file: a hostile file must not flood the log. That there are more is said. */
export function limited(findings: readonly Finding[]): readonly Finding[] {
  const last = findings[MOST_FINDINGS - 1];
  if (last === undefined || findings.length === MOST_FINDINGS) return findings;
  const message = `${last.message} (This file has more findings, not shown.)`;
  return [...findings.slice(0, MOST_FINDINGS - 1), { ...last, message }];
}

const SECRET_KEY =
  /([\w-]*(?:authorization|cookie|token|secret|pas+w\w*|pass|pwd|credentials?|api[-_]?key|bearer|basic|auth)["']?\s*[:=]\s*)(?![\s|>#]|[{[]\s*["']?(?:file|env|program|username)\b|$).+$/i;

/** A user and password before the host, with blanks in the password too. */
const USER_INFO = /:\/\/(?:\S*@|[^\s/:@]+:(?!\d{1,5}\b)[^@\n]*@)/g;

function lineText(source: SourceText, line: number): string {
  const text = source.text.slice(source.lineStarts[line - 1], source.lineStarts[line]);
  return text.replace(/\r?\n$|\r$/, '');
}
