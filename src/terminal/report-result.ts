/** Says how a command ended: what happened, where, what to do, and where traffic is. Pure. */
import type { ResultLine } from '../core/output.ts';
import { safeLine } from '../core/safe-text.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Paint } from './report-paint.ts';
import { sharesText } from './words.ts';

/** Exit codes by which a command says that it changed nothing (DESIGN.md 7); a rollout that had begun may also end as busy midway. */
const UNCHANGED = new Set([2, 3, 6, 7, 8]);
const BUSY = 6;
/** Exit codes by which a command left before the end, without anything being wrong. */
const LEFT = new Set([75, 130]);

function field(name: string, text: string): string {
  return `  ${name.padEnd(7)}  ${text}`;
}

function trafficText({ traffic, exitCode, ok, scope }: ResultLine, begun: boolean): string | undefined {
  const now =
    traffic === null || traffic.certainty === 'unknown' ? undefined : `${sharesText(traffic.split)} (${traffic.certainty})`;
  if (UNCHANGED.has(exitCode) && !(begun && exitCode === BUSY)) return now === undefined ? 'unchanged' : `unchanged: ${now}`;
  if (now !== undefined) return now;
  if (ok) return traffic === null ? undefined : 'not known: the router did not answer';
  return `not known; ask: kvdeploy status ${scope === null ? '--env E' : scopeFlags(scope)}`;
}

function placeText(place: ResultLine['places'][number]): string {
  const at = [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
  return place.note === undefined ? safeLine(at) : `${safeLine(at)}   ${safeLine(place.note)}`;
}

function failure(line: ResultLine, paint: Paint, begun: boolean): readonly string[] {
  const symbol = LEFT.has(line.exitCode) ? paint.warn('!') : paint.no;
  const [first, ...others] = line.places.map(placeText);
  return [
    `${symbol} ${paint.strong(safeLine(line.code ?? 'FAILED'))}  ${safeLine(line.message)}`,
    ...(first === undefined ? [] : [field('at', first)]),
    ...others.map((place) => field('', place)),
    ...(line.hint === null ? [] : [field('try', safeLine(line.hint))]),
    ...line.next.map((command, index) => field(index === 0 ? 'next' : '', safeLine(command))),
    field('traffic', trafficText(line, begun) ?? 'unchanged'),
  ];
}

function success(line: ResultLine, paint: Paint): readonly string[] {
  const traffic = trafficText(line, true);
  return [
    `${paint.yes} ${safeLine(line.message)}`,
    ...(traffic === undefined ? [] : [field('traffic', traffic)]),
    ...(line.hint === null ? [] : [field('try', safeLine(line.hint))]),
    ...line.next.map((command, index) => field(index === 0 ? 'next' : '', safeLine(command))),
  ];
}

/** The last lines of a command; the last one of a failure says where traffic is. `begun`: it had begun to lead a rollout. */
export function resultText(line: ResultLine, paint: Paint, begun: boolean): readonly string[] {
  if (line.ok && line.message === '') return [];
  return line.ok ? success(line, paint) : failure(line, paint, begun);
}
