/** Which programs a config may have run where a person only looks. Must not run one itself. */

import { machineOf } from '../../config/machine.ts';
import type { PlannedGate } from '../../core/rollout/plan.ts';
import { openSource } from '../../metrics/index.ts';
import type { Deps } from '../deps.ts';

/** Why the gate is not asked by a command that only looks; undefined where it may be. */
export type Withheld = (gate: Pick<PlannedGate, 'name' | 'source' | 'settings'>) => string | undefined;

/**
 * For `plan` and `doctor`: a config is a file of a repository, and reading one must not run what it names. Programs run with
 * --run-programs, and where the machine file lists exactly that argv, as the config writes it.
 */
export function withheldBy(deps: Deps): Withheld {
  if (deps.globals.runPrograms === true) return () => undefined;
  const mayRun = mayRunBy(deps);
  return (gate) => {
    const { source, config } = openSource(gate);
    if ((source.programs?.(config) ?? []).every(mayRun)) return undefined;
    return `gate ${gate.name} runs a program that the config names; without --run-programs it is not asked here`;
  };
}

/** Whether this very program may run: with --run-programs, or where the machine file lists it. */
export function mayRunBy({ globals, io }: Pick<Deps, 'globals' | 'io'>): (argv: readonly string[]) => boolean {
  if (globals.runPrograms === true) return () => true;
  return (argv) => (machineOf(io).programs ?? []).some((one) => JSON.stringify(one) === JSON.stringify(argv));
}

/** How it is asked all the same. */
export const RUN_PROGRAMS = 'Add --run-programs, or list its argv under programs in /etc/kvdeploy/machine.json.';
