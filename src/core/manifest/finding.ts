/** A finding: one thing wrong with one file, with everything a person needs to fix it. No I/O. */
import { safeLine, safeText } from '../../base/text.ts';
import type { Finding, Place } from '../errors.ts';

/** By file, then line, then column: the order in which a person fixes them. */
export function inFileOrder(findings: readonly Finding[]): readonly Finding[] {
  const by = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const byPlace = (a: Finding, b: Finding) => by(a.file, b.file) || a.line - b.line || a.column - b.column;
  return findings.toSorted((a, b) => byPlace(a, b) || by(a.code, b.code) || by(a.message, b.message));
}

/** What `validate` ends with: 2 when a file cannot be read as what it should be, else 3 when a rule is broken, else 0. */
export function findingsExitCode(findings: readonly Finding[]): 0 | 2 | 3 {
  if (findings.some((finding) => finding.kind === 'syntax')) return 2;
  return findings.length > 0 ? 3 : 0;
}

/** How parts of the text are set apart; what it gives back must hold the text itself. */
export interface FindingPaint {
  bad(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
}

const plainPaint: FindingPaint = { bad: (text) => text, dim: (text) => text, strong: (text) => text };

/** One block per kind of finding, with a blank line between; ends in a line feed. Nothing from a file reaches the terminal raw. */
export function findingsText(findings: readonly Finding[], paint: FindingPaint = plainPaint): string {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${finding.code} ${finding.message} ${finding.fix}`;
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].map((group) => groupText(group, paint)).join('\n');
}

function groupText(group: readonly Finding[], paint: FindingPaint): string {
  const [first] = group;
  if (first === undefined) return '';
  const lines = [`${paint.bad(`✖ ${first.code}`)}  ${safeLine(first.message)}`];
  for (const finding of group) {
    lines.push(`  at   ${paint.strong(placeText(finding))}`, ...frameLines(finding, paint));
    for (const place of finding.related ?? [])
      lines.push(`  also ${placeText(place)}${place.note ? `   ${safeLine(place.note)}` : ''}`);
  }
  lines.push(`  fix  ${safeLine(first.fix)}`);
  return `${lines.join('\n')}\n`;
}

/** The line with a caret under the part that is meant, aligned even where unsafe characters became longer. */
function frameLines(finding: Finding, paint: FindingPaint): readonly string[] {
  if (finding.frame === undefined) return [];
  const { text, length } = finding.frame;
  const from = finding.column - 1;
  const before = safeLine(text.slice(0, from));
  const marked = safeLine(text.slice(from, from + length));
  return [
    `${paint.dim(`${String(finding.line).padStart(5)} │`)} ${safeLine(text)}`,
    `${paint.dim('      │')} ${' '.repeat([...before].length)}${paint.bad('^'.repeat(Math.max(1, [...marked].length)))}`,
  ];
}

/** `releases/production/kv-gateway.yaml:14:11`. */
function placeText(place: Place): string {
  const line = place.line === undefined ? '' : `:${place.line}`;
  return `${safeLine(place.file)}${line}${line !== '' && place.column !== undefined ? `:${place.column}` : ''}`;
}

/** GitHub shows this many errors of a step; what comes after them is lost without a word. */
const MOST_ANNOTATIONS = 10;

/**
 * At most ten `::error` lines, then one `::notice` with the number left out; no text from a file starts a command of its own.
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
export function githubAnnotations(findings: readonly Finding[]): string {
  const lines = findings.slice(0, MOST_ANNOTATIONS).map(annotation);
  const left = findings.length - lines.length;
  const more = `${left} more ${left === 1 ? 'finding is' : 'findings are'} not shown here`;
  if (left > 0) lines.push(`::notice title=kvdeploy::${more}. Run kvdeploy validate to see all.`);
  return lines.map((line) => `${line}\n`).join('');
}

function annotation(finding: Finding): string {
  const also = (finding.related ?? [])
    .map(({ file, line = 1, note }) => `\nalso ${file}:${line}${note ? ` (${note})` : ''}`)
    .join('');
  const place = `file=${property(finding.file)},line=${finding.line},col=${finding.column}`;
  return `::error ${place},title=${property(finding.code)}::${data(`${finding.message}${also}\nFix: ${finding.fix}`)}`;
}

function data(text: string): string {
  return safeText(text).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
