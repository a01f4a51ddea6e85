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
  const listed = new Set((machineOf(deps.io).programs ?? []).map((argv) => JSON.stringify(argv)));
  return (gate) => {
    const { source, config } = openSource(gate);
    const programs = source.programs?.(config) ?? [];
    if (programs.every((argv) => listed.has(JSON.stringify(argv)))) return undefined;
    return `gate ${gate.name} runs a program that the config names; without --run-programs it is not asked here`;
  };
}

/** How it is asked all the same. */
export const RUN_PROGRAMS = 'Add --run-programs, or list its argv under programs in /etc/kvdeploy/machine.json.';
