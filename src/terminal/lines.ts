/** Says each output line in one line of plain words. Pure; must make every text from elsewhere safe. */
import { safeLine } from '../base/text.ts';
import type { OutputLine, ResultLine } from '../core/output.ts';
import { scopeFlags } from '../core/scope.ts';
import { msText, percentText } from '../core/text.ts';
import type { Paint } from './colour.ts';
import { advice, hang } from './layout.ts';
import type { Progress } from './progress.ts';
import { clockText, sharesText, shortBuild } from './words.ts';

type Line<Type extends OutputLine['type']> = Extract<OutputLine, { type: Type }>;

type Started = Line<'started'>;

/** `✔ name  message`; a check that was not made is never shown as passed. */
export function checkText(line: Line<'check'>, paint: Paint): string {
  const symbol = line.ok === null ? paint.unsure : line.ok ? paint.yes : paint.no;
  const doubt = line.ok === null ? `${paint.warn('not verified')}: ` : line.ok ? '' : `${paint.bad('FAILED')}: `;
  return `${symbol} ${paint.strong(safeLine(line.name))}  ${doubt}${safeLine(line.message)}`.trimEnd();
}

export function noteText(line: Line<'note'>, paint: Paint): string {
  const message = safeLine(line.message);
  return line.level === 'warning' ? `${paint.warn('warning')}  ${message}` : `${paint.dim('note')}  ${message}`;
}

/** `production/kv-gateway`: the tenant is said once, when the rollout starts. */
function scopeName(started: Started | undefined): string {
  return started === undefined ? '' : `${safeLine(started.scope.environment)}/${safeLine(started.scope.service)} `;
}

export function startedText(line: Started): string {
  const steps = line.steps.map((step) => `${percentText(step.percent)} ${msText(step.bakeMs)}`).join(', ');
  const from = line.stable === null ? '' : ` in place of ${shortBuild(line.stable.guid)} (${safeLine(line.stable.version)})`;
  const verb = line.resumed ? `resumes ${line.kind}` : line.kind;
  const build = `${shortBuild(line.candidate.guid)} (${safeLine(line.candidate.version)})`;
  return `${safeLine(line.scope.tenant)}/${scopeName(line)}${safeLine(line.rollout)} ${verb} ${build}${from}: ${steps}; by ${safeLine(line.actor)}`;
}

function stepText(line: { step: number; steps: number; percent: number }): string {
  return line.step === 0 ? '' : `step ${line.step}/${line.steps} ${percentText(line.percent)} `;
}

const LOUD = new Set(['refused', 'reverting', 'reverted', 'stuck', 'rescued']);

export function phaseText(line: Line<'phase'>, started: Started | undefined, paint: Paint): string {
  const bakeMs = line.phase === 'baking' ? started?.steps[line.step - 1]?.bakeMs : undefined;
  const end = bakeMs === undefined ? '' : `, until ${clockText(Date.parse(line.at) + bakeMs)} at the earliest`;
  const why = line.why === '' ? '' : `: ${safeLine(line.why)}`;
  const phase = LOUD.has(line.phase) ? paint.bad(line.phase.toUpperCase()) : line.phase;
  return `${scopeName(started)}${stepText(line)}${phase}${end}${why}`;
}

export function trafficLineText(line: Line<'traffic'>, started: Started | undefined): string {
  return `${scopeName(started)}traffic ${sharesText(line.traffic.split)} (${line.traffic.certainty})`;
}

/** A sign of life after a long silence: what is still running, and how long nothing changed. */
export function stillText({ started, phase, lastMs }: Progress, nowMs: number): string {
  if (phase === undefined) return `${scopeName(started)}still running`;
  return `${scopeName(started)}${stepText(phase)}still ${phase.phase}; nothing new for ${msText(nowMs - (lastMs ?? nowMs))}`;
}

const VERDICTS = { pass: 'passes', fail: 'FAILED', hold: 'holds', 'give-up': 'GIVES UP' } as const;

/** What it waits for, without the text that a gate has said already. */
function waitingText({ gates, waitingFor }: Line<'poll'>): string {
  const told = gates.map((gate) => `${gate.gate}: ${gate.why}`).find((text) => waitingFor.startsWith(text));
  const rest = told === undefined ? waitingFor : waitingFor.slice(told.length).replace(/^; /, '');
  if (rest === '') return '';
  return told === undefined ? `; waiting for ${safeLine(rest)}` : `; ${safeLine(rest)}`;
}

/** What every gate says (with its counts, as `why` has them), then what is still waited for. */
export function pollText(line: Line<'poll'>, started: Started | undefined, paint: Paint): string {
  const gates = line.gates.map((gate) => {
    const isBad = gate.verdict === 'fail' || gate.verdict === 'give-up';
    const verdict = isBad ? paint.bad(VERDICTS[gate.verdict]) : VERDICTS[gate.verdict];
    return `${safeLine(gate.gate)} ${verdict}: ${safeLine(gate.why)}`;
  });
  const watched = `${msText(line.watchedMs)} of ${msText(line.bakeMs)}`;
  const waiting = waitingText(line);
  return `${scopeName(started)}${stepText(line)}watched ${watched}; ${gates.join('; ')}${waiting}`;
}

// Says how a command ended: what happened, where, what to do, and where traffic is. Pure.

/** Exit codes by which a command says that it changed nothing; a rollout that had begun may also end as busy midway. */
const UNCHANGED = new Set([2, 3, 6, 7, 8]);

const BUSY = 6;

/** Exit codes by which a command left before the end, without anything being wrong. */
const LEFT = new Set([75, 130]);

function label(name: string): string {
  return `  ${name.padEnd(7)}  `;
}

function trafficText({ traffic, exitCode, ok, scope }: ResultLine, begun: boolean): string | undefined {
  const isKnown = traffic !== null && (traffic.certainty !== 'unknown' || traffic.split.length > 0);
  const how = traffic?.certainty === 'unknown' ? 'where the router answers, unknown elsewhere' : traffic?.certainty;
  const now = isKnown ? `${sharesText(traffic.split)} (${how})` : undefined;
  if (UNCHANGED.has(exitCode) && !(begun && exitCode === BUSY)) return now === undefined ? 'unchanged' : `unchanged: ${now}`;
  if (now !== undefined) return now;
  if (ok) return traffic === null ? undefined : 'unknown: the router did not answer';
  return `unknown; run kvdeploy status ${scope === null ? '--env E' : scopeFlags(scope)}`;
}

function placeText(place: ResultLine['places'][number]): string {
  const at = [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
  return place.note === undefined ? safeLine(at) : `${safeLine(at)}   ${safeLine(place.note)}`;
}

/** The last lines of a command; the last one of a failure says where traffic is. `begun`: it had begun to lead a rollout. */
export function resultText(line: ResultLine, paint: Paint, begun: boolean, columns: number | undefined): readonly string[] {
  const { ok, message, hint, next } = line;
  if (ok && message === '') return [];
  const symbol = ok ? paint.yes : LEFT.has(line.exitCode) ? paint.warn('!') : paint.no;
  const code = ok ? '' : `${paint.strong(safeLine(line.code ?? 'FAILED'))}  `;
  const traffic = trafficText(line, ok || begun) ?? (ok ? undefined : 'unchanged');
  const trafficLines = traffic === undefined ? [] : [hang(label('traffic'), traffic, columns)];
  return [
    hang(`${symbol} `, `${code}${safeLine(message)}`, columns),
    ...(ok ? trafficLines : line.places.map((place, index) => `${label(index === 0 ? 'at' : '')}${placeText(place)}`)),
    ...(hint === null ? [] : [advice(label('try'), safeLine(hint), columns)]),
    ...next.map((command, index) => `${label(index === 0 ? 'next' : '')}${safeLine(command)}`),
    ...(ok ? [] : trafficLines),
  ];
}
