/** Draws a rollout as a block of plain lines, none wider than the terminal. Pure; must not print. */
import { safeLine } from '../base/text.ts';
import { countText, percentText } from '../core/text.ts';
import { clip, hang, widthOf } from './layout.ts';
import { decidingGate, type Progress, type StepProgress } from './progress.ts';
import { bar, clockText, shortBuild, sparkline, stopwatch } from './words.ts';

const NARROW_COLUMNS = 60;

const NARROW_BAR = 12;

const WIDE_BAR = 40;

const LEAST_BAR = 4;

const MARKS = {
  unicode: { ahead: '·', now: '▶', passed: '✔', failed: '✖' },
  ascii: { ahead: '.', now: '>', passed: 'ok', failed: 'x' },
} as const;

const STATES = { ahead: '', now: 'starting', passed: 'passed', failed: 'FAILED' } as const;

function head({ started, firstMs, lastMs }: Progress): string {
  const { tenant, environment, service } = started.scope;
  const name = [tenant, environment, service].map(safeLine).join('/');
  const elapsed = firstMs === undefined || lastMs === undefined ? '' : `   ${stopwatch(lastMs - firstMs)}`;
  return `${name}   ${started.kind} ${safeLine(started.rollout)}${elapsed}   by ${safeLine(started.actor)}`;
}

function role(build: string | null, { started }: Progress): string {
  if (build === started.candidate.guid) return 'candidate';
  return started.stable !== null && build === started.stable.guid ? 'stable' : 'other';
}

function trafficLines(progress: Progress, columns: number, unicode: boolean): readonly string[] {
  const { traffic } = progress;
  if (traffic === undefined) return [];
  const some = traffic.split.filter((share) => share.percent > 0 || role(share.build, progress) !== 'other');
  const rows = some.map((share) => {
    const who = `${shortBuild(share.build)} ${role(share.build, progress)}`.padEnd(20);
    const where = `${percentText(share.percent).padStart(7)}  ${safeLine(share.place ?? '')} (${traffic.certainty})`;
    return { who, where, percent: share.percent };
  });
  const most = columns < NARROW_COLUMNS + WIDE_BAR ? NARROW_BAR : WIDE_BAR;
  // The bar gives way to what stands after it.
  const left = columns - 1 - Math.max(0, ...rows.map(({ who, where }) => widthOf(`  ${who}   ${where}`)));
  const width = Math.max(LEAST_BAR, Math.min(most, left));
  return rows.map(({ who, where, percent }) => `  ${who} ${bar(percent, width, unicode)}  ${where}`);
}

function stepOutcome(step: StepProgress): string {
  if (step.state !== 'now' || step.poll === undefined) return STATES[step.state];
  return step.poll.waitingFor === '' ? 'deciding' : `waiting for ${safeLine(step.poll.waitingFor)}`;
}

function stepLines(step: StepProgress, index: number, of: number, columns: number, unicode: boolean): readonly string[] {
  const mark = (unicode ? MARKS.unicode : MARKS.ascii)[step.state].padEnd(unicode ? 1 : 2);
  const gate = step.poll === undefined ? undefined : decidingGate(step.poll);
  const bake = step.poll === undefined ? stopwatch(step.bakeMs) : `${stopwatch(step.poll.watchedMs)}/${stopwatch(step.bakeMs)}`;
  const counts = gate === undefined ? '' : `failed ${countText(gate.errors, gate.requests)}`;
  const outcome = stepOutcome(step);
  const cells = [`${mark} ${index + 1}/${of}`, percentText(step.percent).padStart(7), bake.padEnd(11)];
  const line = `  ${[...cells, counts.padEnd(26), sparkline(step.rates, unicode).padEnd(8), outcome].join('  ')}`.trimEnd();
  if (clip(line, columns - 1) === line || step.poll === undefined) return [line];
  if (step.state === 'passed') return [`  ${[...cells, outcome].join('  ')}`];
  // What it waits for is what a person wants to know most, so it is not what is cut off.
  return [`  ${[...cells, counts].join('  ')}`.trimEnd(), ...hang('      ', outcome, columns - 1).split('\n')];
}

/** What is counted of the stable build before the first step. */
function watchLines({ watch }: Progress, columns: number): readonly string[] {
  if (watch === undefined) return [];
  const gate = decidingGate(watch);
  const counts = gate === undefined ? '' : `  failed ${countText(gate.errors, gate.requests)}`;
  const line = `stable build watched ${stopwatch(watch.watchedMs)}/${stopwatch(watch.bakeMs)}${counts}; waiting for ${safeLine(watch.waitingFor)}`;
  return hang('  ', line, columns - 1).split('\n');
}

/** For each comparing gate how far the evidence is on its way to fail and to pass, and where it points. */
function evidenceLines({ steps }: Progress, columns: number, unicode: boolean): readonly string[] {
  const gates = steps.findLast((step) => step.state === 'now')?.poll?.gates ?? [];
  const width = columns < NARROW_COLUMNS + WIDE_BAR ? NARROW_BAR : WIDE_BAR / 2;
  return gates.flatMap((gate) => {
    if (gate.evidence === undefined) return [];
    const { fail, pass, slice } = gate.evidence;
    const where = slice === null ? '' : `  most in ${safeLine(slice)}`;
    const bars = `fail ${bar(fail * 100, width, unicode)} ${percentText(fail * 100)}  pass ${bar(pass * 100, width, unicode)} ${percentText(pass * 100)}`;
    const counted = `  ${safeLine(gate.gate)}  ${countText(gate.errors, gate.requests)}`;
    const line = `${counted}  ${bars}${where}`;
    return clip(line, columns - 1) === line ? [line] : [counted, ...hang('      ', `${bars}${where}`, columns - 1).split('\n')];
  });
}

function phaseLines({ phase, lastMs }: Progress, columns: number): readonly string[] {
  if (phase === undefined || lastMs === undefined) return [];
  const why = phase.why === '' ? '' : `: ${safeLine(phase.why)}`;
  return hang(`  ${clockText(lastMs)}  `, `${phase.phase}${why}`, columns - 1).split('\n');
}

/** The block for a terminal of `columns`; the first line leaves room for a spinner in front. */
export function view(progress: Progress, columns: number, unicode: boolean): readonly string[] {
  const lines = [
    head(progress),
    ...trafficLines(progress, columns, unicode),
    '',
    ...watchLines(progress, columns),
    ...progress.steps.flatMap((step, index) => stepLines(step, index, progress.steps.length, columns, unicode)),
    ...evidenceLines(progress, columns, unicode),
    ...phaseLines(progress, columns),
  ];
  const room = Math.max(1, columns - 1);
  return lines.map((line, index) => clip(line, index === 0 ? room - 2 : room));
}
