import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type OutputLine, outputLineSchema } from '../../src/core/output.ts';
import { createReport, type ReportOptions } from '../../src/terminal/report.ts';
import { phase, poll, result, STABLE, START_MS, started, traffic } from './rollout-lines.ts';

/** What a report writes for these lines, in pipes. */
function reported(lines: readonly OutputLine[], options: Partial<ReportOptions> = {}): { out: string; err: string } {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const report = createReport({
    json: false,
    quiet: false,
    verbose: false,
    stdout,
    stderr,
    colour: { stdout: false, stderr: false },
    tty: false,
    unicode: true,
    clock: { now: () => START_MS, every: () => () => undefined },
    ...options,
  });
  for (const line of lines) report.line(line);
  report.print('the command’s own text\u001b[31m');
  report.close();
  report.close();
  return { out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

const check = (ok: boolean | null): OutputLine => ({
  type: 'check',
  name: 'identity',
  ok,
  message: '9f1c2b7e belongs to production',
});

const everything: readonly OutputLine[] = [
  check(true),
  started,
  phase('shifting', 1),
  traffic(5),
  phase('baking', 1),
  poll({ seconds: 1 }),
  poll({ seconds: 2 }),
  { type: 'note', level: 'info', message: 'hello' },
  { type: 'document', name: 'plan', data: {} },
  result(),
];

describe('the report for people, in a pipe', () => {
  test('a report in a pipe says one line an event on stderr, and the result on stdout', () => {
    const { out, err } = reported(everything);
    expect(err).toMatchInlineSnapshot(`
      "✔ identity  9f1c2b7e belongs to production
      19:52:04Z acme/production/kv-gateway r-7f3k promote 9f1c2b7e (2026.11.21-3) in place of 41d0a6c3 (2026.11.20-1): 5 % 1m, 100 % 10m; by ana@example.com
      19:52:04Z production/kv-gateway step 1/2 5 % shifting
      19:52:04Z production/kv-gateway traffic 41d0a6c3 (blue) 95 %, 9f1c2b7e (green) 5 % (served)
      19:52:04Z production/kv-gateway step 1/2 5 % baking, until 19:53:04Z at the earliest
      19:52:04Z production/kv-gateway step 1/2 5 % watched 1s of 1m; errors holds: 1 of 40 failed, limit 2 %; waiting for 112 more requests or 41s
      note  hello
      "
    `);
    expect(out).toMatchInlineSnapshot(`
      "✔ promoted 9f1c2b7e to production
        traffic  9f1c2b7e (green) 100 % (served)
        next     kvdeploy rollback --env production
      the command’s own text\\u{1b}[31m
      "
    `);
  });

  test('a report with --verbose says every poll', () => {
    expect(reported(everything, { verbose: true }).err.match(/watched/g)).toHaveLength(2);
  });

  test('a report with --quiet says only warnings, failed checks and the result', () => {
    const lines: readonly OutputLine[] = [
      ...everything.slice(0, -1),
      check(false),
      { type: 'note', level: 'warning', message: 'mind this' },
      result(),
    ];
    const { out, err } = reported(lines, { quiet: true });
    expect(err).toBe('✖ identity  FAILED: 9f1c2b7e belongs to production\nwarning  mind this\n');
    expect(out).toContain('✔ promoted');
  });

  test('a report never shows what was not verified as passed', () => {
    expect(reported([check(null)]).err).toBe('? identity  not verified: 9f1c2b7e belongs to production\n');
  });

  test('a report says failure on stderr with code, places and a fix, and where traffic is in the last line', () => {
    const failure = result({
      ok: false,
      code: 'FOREIGN_BUILD',
      exitCode: 3,
      message: 'Build 7f3c belongs to staging, so it cannot enter production.',
      hint: 'Promote a build stamped for production: kvdeploy builds --env production',
      traffic: { split: [{ build: STABLE, percent: 100 }], certainty: 'configured' },
      places: [
        { file: 'releases/production/kv-gateway.yaml', line: 14, column: 3 },
        { file: 'releases/staging/kv-gateway.yaml', line: 9, note: 'also listed here' },
      ],
      next: [],
    });
    expect(reported([failure]).err).toBe(
      [
        '✖ FOREIGN_BUILD  Build 7f3c belongs to staging, so it cannot enter production.',
        '  at       releases/production/kv-gateway.yaml:14:3',
        '           releases/staging/kv-gateway.yaml:9   also listed here',
        '  try      Promote a build stamped for production: kvdeploy builds --env production',
        '  traffic  unchanged: 41d0a6c3 100 % (configured)',
        '',
      ].join('\n'),
    );
  });

  test.each([
    [2, 'unchanged'],
    [7, 'unchanged'],
    [1, 'unknown; run kvdeploy status --env production --tenant acme --service kv-gateway'],
    [5, 'unknown; run kvdeploy status --env production --tenant acme --service kv-gateway'],
  ])('a report ends a failure with exit code %i and unknown traffic by saying: %s', (exitCode, text) => {
    const { err } = reported([result({ ok: false, code: 'X', exitCode, traffic: null, next: [] })]);
    expect(err.trimEnd().split('\n').at(-1)).toBe(`  traffic  ${text}`);
  });

  test.each([
    [
      'that had begun to lead',
      [started],
      { split: [{ build: STABLE, percent: 75 }], certainty: 'served' },
      '41d0a6c3 75 % (served)',
    ],
    ['that never led', [], { split: [{ build: STABLE, percent: 75 }], certainty: 'served' }, 'unchanged: 41d0a6c3 75 % (served)'],
    [
      'whose router is silent',
      [started],
      { split: [], certainty: 'unknown' },
      'unknown; run kvdeploy status --env production --tenant acme --service kv-gateway',
    ],
  ] as const)('a report of a runner %s and ends as busy says what is true now', (_who, before, traffic, text) => {
    const busy = result({ ok: false, code: 'BUSY', exitCode: 6, traffic: { ...traffic, split: [...traffic.split] }, next: [] });
    const { err } = reported([...before, busy]);
    expect(err.trimEnd().split('\n').at(-1)).toBe(`  traffic  ${text}`);
  });

  test('a report lets no escape byte, line feed or hidden character of others through', () => {
    const evil = 'a\u001b[2Jb\nc\u202ed\u0007\u200b';
    const { out, err } = reported([
      { type: 'check', name: evil, ok: false, message: evil },
      { type: 'note', level: 'info', message: evil },
      { ...started, actor: evil } as OutputLine,
      phase('reverting', 1, 0, evil),
      poll({ seconds: 1, waitingFor: evil }),
      result({ message: evil, next: [evil], hint: evil }),
    ]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
    expect(`${out}${err}`).not.toMatch(/[\u001b\u0007\u202e\u200b]/);
    expect(err.split('\n').filter((line) => line.startsWith('c'))).toEqual([]);
  });

  test('a report has colour only on the stream that asked for it', () => {
    const { out, err } = reported([check(true), result()], { colour: { stdout: false, stderr: true } });
    expect(err).toContain('\u001b[32m');
    expect(out).not.toContain('\u001b');
  });
});

describe('the report for machines', () => {
  test('a report for machines begins with the version, and every line is an object of the schema', () => {
    const { out, err } = reported(everything, { json: true });
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => outputLineSchema.parse(JSON.parse(line)));
    expect(lines[0]).toMatchObject({ type: 'version', schema: 'kvdeploy.dev/output/v2' });
    expect(lines.slice(1)).toEqual(everything);
    expect(err).toBe('');
  });
});
