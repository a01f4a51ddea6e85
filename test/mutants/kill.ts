/** Puts a fault into a copy of the code, in memory, and has the named detector look at it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle } from '../world/bundle.mjs';
import { askProgram } from '../world/sweep.ts';
import type { Mutant } from './mutants.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A mutant must be noticed within so many schedules (R83). */
const SCHEDULES_MAX = 10_000;

/** What the detector found, or undefined when it noticed nothing. */
export async function noticed({ name, mutations, noticedBy }: Mutant): Promise<string | undefined> {
  const program = join(ROOT, '.cache/mutants', `${name.replaceAll(' ', '-')}.mjs`);
  if (noticedBy === 'simulator') {
    await bundle('test/world/program.ts', program, mutations);
    const { failures, schedules } = await askProgram(program, ['--seed', '1', '--count', `${SCHEDULES_MAX}`, '--until-failure']);
    const [first] = failures;
    return first && `schedule ${schedules}: ${first.problems.join('; ')}`;
  }
  await bundle('test/mutants/detectors.ts', program, mutations);
  const { status, stdout } = spawnSync(process.execPath, [program, '--name', noticedBy], { encoding: 'utf8', timeout: 60_000 });
  return status === 0 ? undefined : stdout.trim() || `exit code ${status}`;
}
