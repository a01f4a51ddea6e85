/**
 * Findings as GitHub workflow commands, which become annotations. Must let no text from a file start a command of its own.
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
import type { Finding } from './finding.ts';
import { safeText } from './safe-text.ts';

/** GitHub shows this many errors of a step; what comes after them is lost without a word. */
const MOST_ANNOTATIONS = 10;

/** At most ten `::error` lines, then one `::notice` with the number left out; each ends in a line feed. */
export function githubAnnotations(findings: readonly Finding[]): string {
  const lines = findings.slice(0, MOST_ANNOTATIONS).map(annotation);
  const left = findings.length - lines.length;
  if (left > 0)
    lines.push(
      `::notice title=kvdeploy::${left} more ${left === 1 ? 'finding is' : 'findings are'} not shown here. Run kvdeploy validate to see all.`,
    );
  return lines.map((line) => `${line}\n`).join('');
}

function annotation(finding: Finding): string {
  const also = (finding.related ?? [])
    .map((place) => `\nalso ${place.file}:${place.line ?? 1}${place.note ? ` (${place.note})` : ''}`)
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
