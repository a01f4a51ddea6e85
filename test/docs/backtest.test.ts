/** docs/backtest.md: its commands run as they stand and print what the page shows. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTrace } from '../../src/backtest/trace.ts';
import { DEFAULT_STEPS } from '../../src/config/settings.ts';
import { freshFolder } from '../fresh-folder.ts';
import { HEADER, linesOf, TRACES } from '../traces.ts';
import { block, root } from './walk.ts';

const PAGE = 'docs/backtest.md';

function shell(script: string): string {
  const folder = freshFolder();
  cpSync(TRACES, join(folder, 'traces'), { recursive: true });
  const stable = linesOf({ intervals: 400 }).filter((line) => line.includes('stable'));
  writeFileSync(join(folder, 'traces/stable.csv'), [HEADER, ...stable].join('\n'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/kvdeploy'), `#!/bin/sh\nexec "${process.execPath}" "${root}/bin/kvdeploy.js" "$@"\n`);
  chmodSync(join(folder, 'bin/kvdeploy'), 0o755);
  const env = { PATH: `${folder}/bin:${process.env['PATH'] ?? ''}`, HOME: folder, LANG: 'C.UTF-8' };
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd: folder, env, encoding: 'utf8', timeout: 30_000 });
  expect(status, stderr).toBe(0);
  return stdout;
}

describe('docs/backtest.md', () => {
  it('docs/backtest.md shows what the command prints', () => {
    expect(shell(block('run: backtest', PAGE))).toBe(block('output: backtest', PAGE));
  });

  it('docs/backtest.md calibrates as it says', () => {
    expect(shell(block('run: calibrate', PAGE))).toMatch(/88 more replays are needed/);
  });

  it('docs/backtest.md has a trace that can be read', () => {
    expect(readTrace(block('tested by test/docs/backtest.test.ts', PAGE), PAGE).findings).toEqual([]);
  });

  it('docs/backtest.md names the default steps', () => {
    expect(DEFAULT_STEPS.map(({ percent }) => percent)).toEqual([5, 25, 50, 100]);
  });
});
