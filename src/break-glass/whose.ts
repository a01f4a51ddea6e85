/**
 * Whose changes these are. What only root and this user can have written is obeyed as it stands; everything else must stand in the
 * machine file. Must make no change, and print every change that it refuses.
 */

import { secretsOf } from '../base/changes/prepare.ts';
import type { Fs } from '../base/durable/fs.ts';
import { MACHINE_FILE, ownMachineFile, readMachine } from '../base/owners/machine-file.ts';
import { notAllowed, reachOf, reachText, stanza } from '../base/owners/targets.ts';
import type { Choice } from './choose.ts';
import type { Source } from './find.ts';
import { Refused } from './refusal.ts';
import type { Voice } from './voice.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Throws Refused TARGET_NOT_ALLOWED where others could have written the pointer and the machine file does not name all it touches. */
export function refuseStrangeChanges(
  { scope, others }: Source,
  { restore, pointer }: Choice,
  env: Env,
  fs: Fs,
  voice: Voice,
): void {
  if (others.length === 0) return;
  const { machine, files } = readMachine(env, fs);
  const name = `${scope.tenant}/${scope.environment}/${scope.service}`;
  const missing = notAllowed(reachOf({ ...restore, questions: pointer.target.questions }), machine, name);
  if (missing === undefined) return;
  const own = ownMachineFile(env, fs);
  voice.say(`  missing in ${MACHINE_FILE}${own === undefined ? '' : `, or for this user alone in ${own}`}`);
  for (const line of stanza(missing, files.length === 0 ? {} : machine, name)) voice.say(`  ${line}`);
  const message = `${others.join(' and ')} could have written this pointer, and the machine file does not allow ${name} to touch ${reachText(missing)}.`;
  const hint =
    'Judge the changes above. If they are right, make them by hand with the commands above, or add the lines above to the machine file and run this again.';
  throw new Refused('TARGET_NOT_ALLOWED', message, hint);
}

/** Addresses that others could have written are not where a secret goes. */
export function withoutStrangeAddresses({ others }: Source, choice: Choice): Choice {
  const { changes, checks, identity } = choice.restore;
  const isSecret = secretsOf([...changes, ...checks, ...identity]).length > 0;
  return others.length > 0 && isSecret ? { ...choice, pointer: { ...choice.pointer, addresses: {} } } : choice;
}
