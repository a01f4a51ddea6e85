/** Which programs a config may have run where a person only looks. Must not run one itself. */

import { MACHINE_FILE, ownMachineFile } from '../../base/owners/machine-file.ts';
import type { Machine } from '../../base/owners/machine-format.ts';
import { notAllowed, type Reach, reachOf, reachText, stanza } from '../../base/owners/targets.ts';
import type { Scope } from '../../base/scope.ts';
import { machineOf } from '../../config/machine.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { PlannedGate } from '../../core/rollout/plan.ts';
import { scopeText } from '../../core/scope.ts';
import type { Io } from '../../io.ts';
import { openSource } from '../../metrics/index.ts';
import { routerOf } from '../../routers/index.ts';
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

/**
 * Throws TARGET_NOT_ALLOWED where the router of this scope runs programs that the machine file does not list, each exactly: then none of them
 * runs, whatever flags say. A router without programs always may.
 */
export function refuseStrangePrograms(settings: { readonly kind: string }, scope: Scope, io: Io): void {
  const argvs = programsOf(settings);
  if (argvs.length === 0) return;
  const asRuns = argvs.map((argv) => ({ kind: 'run', argv, timeoutMs: 1 }) as const);
  const machine = machineOf(io);
  const name = scopeText(scope);
  const missing = notAllowed(reachOf({ changes: asRuns, checks: [], identity: [], questions: [] }), machine, name);
  if (missing === undefined) return;
  throw new KvdeployError('TARGET_NOT_ALLOWED', {
    message: `The router of ${name} runs programs that the machine file does not list: ${reachText(missing)}.`,
    hint: toPaste(missing, machine, name, io),
  });
}

/** Where to add what is missing in the machine file, and the lines. */
export function toPaste(missing: Reach, machine: Machine, name: string, io: Io): string {
  const own = ownMachineFile({ HOME: io.env('HOME') }, io.fs);
  const where = own === undefined ? MACHINE_FILE : `${MACHINE_FILE} (or, for this user alone, ${own})`;
  const lines = stanza(missing, machine, name).map((line) => line.trim());
  return `Add to ${where}: ${lines.join(' ')}`;
}

/** The programs of the router; none where the settings do not fit, which whoever opens it says. */
function programsOf({ kind, ...settings }: { readonly kind: string }): readonly (readonly string[])[] {
  const router = routerOf(kind);
  const parsed = router?.config.safeParse(settings);
  return router?.programs === undefined || parsed?.success !== true ? [] : router.programs(parsed.data);
}
