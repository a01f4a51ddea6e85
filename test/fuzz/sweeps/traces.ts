/** Traces as people record them and damage them: read whole or not at all, judged by what came before alone. */

import fs from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_GATE, replayTrace, traceSettings } from '../../../src/backtest/backtest.ts';
import { type Backtest, backtestText, calibrationText, decide } from '../../../src/backtest/backtest-text.ts';
import { calibrate } from '../../../src/backtest/calibration.ts';
import { readTrace, type TraceRow } from '../../../src/backtest/trace.ts';
import { FIRST_ONES, formOf, intervalsOf, type StatusNames } from '../../../src/backtest/trace-counts.ts';
import { CLASS_METRICS, metricOfStatus, STATUS_METRICS } from '../../../src/core/gates/counting/statuses.ts';
import { hostileText } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeSafe, mustPrintSafely, mustShowSafely } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'fixtures', 'traces');
const TRACES = fs.readdirSync(FOLDER).map((name) => fs.readFileSync(join(FOLDER, name), 'utf8').trimEnd().split('\n'));
const STATUSES: StatusNames = { single: STATUS_METRICS, classes: CLASS_METRICS, metricOf: metricOfStatus };
const STEPS = [5, 25, 50, 100].map((percent) => ({ percent, bakeMs: 0 }));
const CELLS = [
  '0',
  '1',
  '1000',
  '999999999999',
  '1000000000001',
  '-1',
  '1.5',
  '1e3',
  '',
  'candidate',
  'stable',
  '15',
  '0.001',
  '5xx',
  '+Inf',
];

/** A beginning of a trace whose cells were changed, with a latency bucket or two. */
function traceOf(luck: Luck): string {
  const [header = '', ...rows] = luck.pick(TRACES);
  const lines = rows.slice(0, luck.pick([2, 8, 30, 60]));
  const renamed = luck.chance(0.2) ? luck.pick(['__proto__', 'constructor', 'other', hostileText(luck)]) : null;
  const changed = lines.map((line) => {
    const cells = line.split(',');
    if (renamed !== null && luck.chance(0.9)) cells[1] = renamed;
    if (luck.chance(0.01)) cells[luck.below(cells.length)] = luck.pick(CELLS);
    return cells.join(',');
  });
  const text = [header, ...(luck.chance(0.2) ? withBuckets(changed) : changed)].join(luck.pick(['\n', '\n', '\r\n']));
  const whole = luck.chance(0.2) && !header.includes('status') ? text.replace(header, `${header},le`) : text;
  return luck.chance(0.3) ? damagedText(luck, whole) : whole;
}

function withBuckets(lines: readonly string[]): string[] {
  if (lines[0]?.split(',').length !== 5) return [...lines];
  return lines.flatMap((line) => [
    `${line},`,
    ...['0.1', '1.0', '+Inf'].map((le) => `${line.split(',').toSpliced(4, 1, '0').join(',')},${le}`),
  ]);
}

function tested(rows: readonly TraceRow[]): Backtest | undefined {
  const intervals = intervalsOf(rows);
  const trace = { gate: 'errors', intervals, form: formOf(intervals.all, STATUSES) };
  const settings = traceSettings([DEFAULT_GATE], {}, [trace], 0);
  const fixed = [{ name: 'errors', max: 0.5, minRequests: 100 }];
  return decide(replayTrace([trace], { settings, fixed, steps: STEPS, pollMs: 1000 }, STATUSES));
}

function mustMakeSense({ decision, steps }: Backtest, rows: readonly TraceRow[]): void {
  const { tS, badRequests, logE, step } = decision;
  must([tS, badRequests, logE].every(Number.isFinite), `it decided with ${JSON.stringify(decision)}`);
  must(Number.isSafeInteger(badRequests) && badRequests >= 0, `${badRequests} bad requests`);
  must(step >= 1 && step <= STEPS.length, `there is no step ${step}`);
  for (const { counts } of steps)
    for (const { requests, failures } of [counts.candidate, counts.stable])
      must(failures >= 0 && failures <= requests, `${failures} of ${requests} failed`);
  // What came later must not have decided; when the next line came says only where a hole was.
  if (decision.verdict === 'hold') return;
  const times = [...new Set(rows.map((row) => row.tS))];
  const next = Math.max(
    times.findIndex((time) => time >= tS),
    FIRST_ONES - 1,
  );
  const again = tested(rows.filter((row) => row.tS <= (times[next] ?? Number.POSITIVE_INFINITY)));
  must(
    again !== undefined && isDeepStrictEqual(decidedOf(again), decidedOf({ decision })),
    `what came after ${tS} s decided: ${JSON.stringify([again?.decision, decision])}`,
  );
}

/** Without what the whole trace cannot tell: of steps that it never came to. */
function decidedOf({ decision: { cannotTell: _, ...decided } }: Pick<Backtest, 'decision'>): unknown {
  return decided;
}

export const traces: Sweep<string> = {
  name: 'traces',
  what: 'recorded traces',
  kind: 'texts',
  share: 0.03,
  make: traceOf,
  judge: (text) => {
    const { rows, findings } = readTrace(text, 'trace.csv');
    mustShowSafely(findings);
    must(findings.length === 0 || rows.length === 0, 'half a trace was read');
    const alone = readTrace(text, 'trace.csv', 'stable').rows;
    if (alone.length > 0) {
      const wish = { gate: DEFAULT_GATE, evidence: {}, percents: [5, 25, 50, 100], seed: 1 };
      const found = calibrate(alone, wish, STATUSES);
      must(found.greatest.every(Number.isFinite), `a replay came to ${found.greatest.join()}`);
      mustBeSafe(calibrationText(text.slice(0, 50), found, null), 'a calibration');
    }
    if (rows.length === 0) return 'refused';
    const found = tested(rows);
    if (found === undefined) throw new Error('a trace of both builds has no interval of the candidate');
    mustMakeSense(found, rows);
    mustBeSafe(backtestText(text.slice(0, 50), found), 'a backtest');
    mustPrintSafely([{ type: 'note', level: 'warning', message: found.decision.why }]);
    return 'judged';
  },
  must: ['refused', 'judged'],
};
