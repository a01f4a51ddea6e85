/** Puts a fault into a copy of the code, in memory, and has the named detector look at it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle, bundleSimulator } from '../simulator/bundle.mjs';
import { askProgram } from '../simulator/sweep.ts';
import type { Mutant } from './mutant.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A mutant must be noticed within so many schedules. */
const SCHEDULES_MAX = 20_000;

/** What the detector found, or undefined when it noticed nothing. */
export async function noticed({ name, mutations, noticedBy }: Mutant, schedules = SCHEDULES_MAX): Promise<string | undefined> {
  const program = join(ROOT, '.cache/mutants', `${name.replaceAll(' ', '-')}.mjs`);
  if (noticedBy === 'simulator') {
    await bundleSimulator(program, mutations);
    const found = await askProgram(program, ['--seed', '1', '--count', `${schedules}`, '--until-failure']);
    const [first] = found.failures;
    return first && `schedule ${found.schedules}: ${first.problems.join('; ')}`;
  }
  await bundle('test/mutants/detectors.ts', program, mutations);
  const { status, stdout } = spawnSync(process.execPath, [program, '--name', noticedBy], { encoding: 'utf8', timeout: 60_000 });
  return status === 0 ? undefined : stdout.trim() || `exit code ${status}`;
}
