/** Findings as text for people: place, line of code, reason, fix. Must let nothing from a file reach the terminal raw. No I/O. */
import type { Place } from './errors.ts';
import type { Finding } from './finding.ts';
import { safeLine } from './safe-text.ts';

/** How parts of the text are set apart; what it gives back must hold the text itself. */
export interface FindingPaint {
  bad(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
}

const plainPaint: FindingPaint = { bad: (text) => text, dim: (text) => text, strong: (text) => text };

/** One block per kind of finding, with a blank line between; ends in a line feed. Empty without findings. */
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
  const number = String(finding.line).padStart(5);
  return [
    `${paint.dim(`${number} │`)} ${safeLine(text)}`,
    `${paint.dim('      │')} ${' '.repeat([...before].length)}${paint.bad('^'.repeat(Math.max(1, [...marked].length)))}`,
  ];
}

/** `releases/production/kv-gateway.yaml:14:11`. */
function placeText(place: Place): string {
  const line = place.line === undefined ? '' : `:${place.line}`;
  return `${safeLine(place.file)}${line}${line !== '' && place.column !== undefined ? `:${place.column}` : ''}`;
}
