/** Says each output line in one line of plain words. Pure; must show nobody else's text without making it safe. */
import type { OutputLine } from '../core/output.ts';
import { safeLine } from '../core/safe-text.ts';
import type { Progress } from './progress.ts';
import type { Paint } from './report-paint.ts';
import { clockText, durationText, percentText, sharesText, shortBuild } from './words.ts';

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
  const steps = line.steps.map((step) => `${percentText(step.percent)} ${durationText(step.bakeMs)}`).join(', ');
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
  const end = bakeMs === undefined ? '' : `, at the earliest until ${clockText(Date.parse(line.at) + bakeMs)}`;
  const why = line.why === '' ? '' : `: ${safeLine(line.why)}`;
  const phase = LOUD.has(line.phase) ? paint.bad(line.phase.toUpperCase()) : line.phase;
  return `${scopeName(started)}${stepText(line)}${phase}${end}${why}`;
}

export function trafficLineText(line: Line<'traffic'>, started: Started | undefined): string {
  return `${scopeName(started)}traffic ${sharesText(line.traffic.split)} (${line.traffic.certainty})`;
}

/** A sign of life where nothing was said for long: what is still going on, and how old the last word of it is. */
export function stillText({ started, phase, lastMs }: Progress, nowMs: number): string {
  if (phase === undefined) return `${scopeName(started)}still at it`;
  return `${scopeName(started)}${stepText(phase)}still ${phase.phase}; nothing new for ${durationText(nowMs - (lastMs ?? nowMs))}`;
}

const VERDICTS = { pass: 'passes', fail: 'FAILED', 'not-yet': 'not decided' } as const;

/** What a gate has said already is not said again. */
function waitingText({ gates, waitingFor }: Line<'poll'>): string {
  const told = gates.map((gate) => `${gate.gate}: ${gate.why}`).find((text) => waitingFor.startsWith(text));
  const rest = told === undefined ? waitingFor : waitingFor.slice(told.length).replace(/^; /, '');
  if (rest === '') return '';
  return told === undefined ? `; waiting for ${safeLine(rest)}` : `; ${safeLine(rest)}`;
}

/** What every gate says (with its counts, as `why` has them), then what is still waited for. */
export function pollText(line: Line<'poll'>, started: Started | undefined, paint: Paint): string {
  const gates = line.gates.map((gate) => {
    const verdict = gate.verdict === 'fail' ? paint.bad(VERDICTS.fail) : VERDICTS[gate.verdict];
    return `${safeLine(gate.gate)} ${verdict}: ${safeLine(gate.why)}`;
  });
  const watched = `${durationText(line.watchedMs)} of ${durationText(line.bakeMs)}`;
  const waiting = waitingText(line);
  return `${scopeName(started)}${stepText(line)}watched ${watched}; ${gates.join('; ')}${waiting}`;
}
