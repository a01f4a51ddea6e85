import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import type { OutputLine } from '../../src/core/output.ts';
import { fold, type Progress } from '../../src/terminal/progress.ts';
import { view } from '../../src/terminal/view.ts';
import { CANDIDATE, phase, poll, started, traffic } from './rollout-lines.ts';

function after(...lines: readonly OutputLine[]): Progress {
  const progress = [started, ...lines].reduce<Progress | undefined>(fold, undefined);
  if (progress === undefined) throw new Error('nothing has started');
  return progress;
}

const baking = after(
  phase('baking', 1),
  traffic(5),
  poll({ seconds: 20, errors: 0 }),
  poll({ seconds: 30, requests: 400, errors: 2 }),
);

describe('the live view', () => {
  test('the live view shows who gets what, how each step goes, and what it waits for', () => {
    expect(view(baking, 120, true).join('\n')).toMatchInlineSnapshot(`
      "acme/production/kv-gateway   promote r-7f3k   00:30   by ana@example.com
        41d0a6c3 stable      ██████████████████████████████████████░░     95 %  blue (served)
        9f1c2b7e candidate   ██░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░      5 %  green (served)

        ▶ 1/2      5 %  00:30/01:00  failed 2 of 400 (0.5 %)     ▁▅        waiting for 112 more requests or 41s
        · 2/2    100 %  10:00
        19:52:34Z  baking"
    `);
  });

  test.each([60, 80, 99])('the live view says whole in %i columns what it waits for', (columns) => {
    expect(view(baking, columns, true)).toContain('      waiting for 112 more requests or 41s');
  });

  test('the live view gives what it waits for a line of its own where it does not fit, on a wide terminal too', () => {
    const waitingFor = 'errors: 2593 of about 4693 requests that rule harm out in a good build; errors: 0 of 2593 failed';
    const lines = view(fold(baking, poll({ seconds: 40, waitingFor })) as Progress, 120, true);
    expect(lines).toContain(`      waiting for ${waitingFor}`);
  });

  test('the live view shows how long the stable build is watched before the first step, and no longer', () => {
    const watched = poll({ seconds: 20, requests: 4000, errors: 2, verdict: 'pass', waitingFor: '40s' });
    const watch = fold(fold(baking, phase('watching', 0)), { ...watched, step: 0, percent: 0 } as OutputLine) as Progress;
    const line = '  stable build watched 00:20/01:00  failed 2 of 4000 (0.05 %); waiting for 40s';
    expect(view(watch, 120, true)).toContain(line);
    expect(view(watch, 120, true).join('\n')).toContain('· 1/2');
    expect(view(fold(watch, phase('shifting', 1)) as Progress, 120, true)).not.toContain(line);
  });

  test('the live view in 60 columns cuts off neither places, nor the elapsed time, nor how far the evidence is', () => {
    const split = [{ build: CANDIDATE, place: 'green', percent: 5 }];
    const placed = { ...traffic(5), traffic: { split, certainty: 'configured' } } as OutputLine;
    const line = poll({ seconds: 40, requests: 2597, errors: 0 }) as Extract<OutputLine, { type: 'poll' }>;
    const gates = line.gates.map((gate) => ({ ...gate, evidence: { fail: 0.02, pass: 0.63, slice: 'member green-3' } }));
    const shown = view(fold(fold(baking, placed), { ...line, gates } as OutputLine) as Progress, 60, true);
    expect(shown[0]).toContain('   00:40   by');
    expect(shown).toContainEqual(expect.stringMatching(/5 % {2}green \(configured\)$/));
    expect(shown.join(' ')).toMatch(/pass \S+ 63 %.*most +in member green-3/);
  });

  test('the live view does without Unicode', () => {
    expect(view(baking, 120, false).join('\n')).toMatch(/^[\n\x20-\x7e]*$/);
  });

  test('the live view shows the step that failed, and that traffic is rolled back', () => {
    const reverting = fold(baking, phase('reverting', 1, 31, 'errors: 20 of 40 failed, limit 2 %'));
    expect(
      view(reverting as Progress, 120, true)
        .slice(4)
        .join('\n'),
    ).toMatchInlineSnapshot(`
      "  ✖ 1/2      5 %  00:30/01:00  failed 2 of 400 (0.5 %)     ▁▅        FAILED
        · 2/2    100 %  10:00
        19:52:35Z  reverting: errors: 20 of 40 failed, limit 2 %"
    `);
  });

  test('the live view shows every step as passed once it is done', () => {
    const lines = view(after(phase('baking', 1), phase('baking', 2, 60), phase('done', 2, 90)), 120, true);
    expect(lines.filter((line) => line.endsWith('passed'))).toHaveLength(2);
  });

  test.each([20, 40, 61, 80, 200])('the live view is never wider than a terminal of %i columns', (columns) => {
    const wide = poll({
      seconds: 40,
      waitingFor: '東京と大阪の二百件の要求、またはaVeryLongWordWithoutAnyBlankThatGoesOnAndOn、四十秒',
    });
    for (const progress of [baking, fold(baking, wide) as Progress])
      for (const line of view(progress, columns, true)) expect(stringWidth(line)).toBeLessThan(columns);
  });

  test('the live view shows foreign text harmless', () => {
    const evil: OutputLine = { ...started, actor: 'ana\u001b[2J\u202e', resumed: false } as OutputLine;
    const [first] = view(fold(undefined, evil) as Progress, 120, true);
    expect(first).toContain('ana\\u{1b}[2J\\u{202e}');
  });
});
