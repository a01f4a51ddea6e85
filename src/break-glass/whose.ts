/**
 * Whose changes these are. What only root and this user can have written is obeyed as it stands; everything else must stand in the
 * machine file. Must make no change, and print every change that it refuses.
 */

import { secretsOf } from '../base/changes/prepare.ts';
import type { Fs } from '../base/durable/fs.ts';
import { MACHINE_FILE, ownMachineFile, readMachine } from '../base/owners/machine-file.ts';
import { notAllowed, type Reaching, reachOf, reachText, stanza } from '../base/owners/targets.ts';
import type { Choice } from './choose.ts';
import type { Source } from './find.ts';
import { Refused } from './refusal.ts';
import type { Voice } from './voice.ts';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Throws Refused TARGET_NOT_ALLOWED where the machine file does not list a program that sets or reads the split, whoever wrote the pointer; and
 * where others could have written it and the machine file does not name all that it touches.
 */
export function refuseStrangeChanges(
  { scope, others }: Source,
  { restore, pointer }: Choice,
  env: Env,
  fs: Fs,
  voice: Voice,
): void {
  const { questions, hosts = {} } = pointer.target;
  const all = { ...restore, questions, hosts };
  const reach = reachOf(others.length === 0 ? programsIn(all) : all);
  if (others.length === 0 && reach.programs.length === 0) return;
  const { machine, files } = readMachine(env, fs);
  const name = `${scope.tenant}/${scope.environment}/${scope.service}`;
  const missing = notAllowed(reach, machine, name);
  if (missing === undefined) return;
  const own = ownMachineFile(env, fs);
  voice.say(`  missing in ${MACHINE_FILE}${own === undefined ? '' : `, or for this user alone in ${own}`}`);
  for (const line of stanza(missing, files.length === 0 ? {} : machine, name)) voice.say(`  ${line}`);
  const what = `machine file does not allow ${name} to touch ${reachText(missing)}.`;
  const message =
    others.length === 0 ? `The ${what}` : `${others.join(' and ')} could have written this pointer, and the ${what}`;
  const hint =
    'Judge the changes above. If they are right, make them by hand with the commands above, or add the lines above to the machine file and run this again.';
  throw new Refused('TARGET_NOT_ALLOWED', message.replace(/^the/, 'The'), hint);
}

/** Only what runs a program of the router's. A program that asks a build is asked as every build is. */
function programsIn({ changes, checks, questions, hosts = {} }: Reaching): Reaching {
  const runs = <One extends { readonly kind: string; readonly at?: string }>(all: readonly One[]) =>
    all.filter(({ kind, at }) => kind === 'run' && (at === undefined || !Object.hasOwn(hosts, at)));
  return { changes: runs(changes), checks: runs(checks), identity: [], questions: runs(questions) };
}

/** Addresses that others could have written are not where a secret goes. */
export function withoutStrangeAddresses({ others }: Source, choice: Choice): Choice {
  const { changes, checks, identity } = choice.restore;
  const isSecret = secretsOf([...changes, ...checks, ...identity]).length > 0;
  return others.length > 0 && isSecret ? { ...choice, pointer: { ...choice.pointer, addresses: {} } } : choice;
}
