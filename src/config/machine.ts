/** The machine file for everyday commands: one that is there and does not count refuses them all. */
import { readMachine } from '../base/owners/machine-file.ts';
import type { Machine } from '../base/owners/machine-format.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Io } from '../io.ts';

/** What the machine file of this machine and of this user say; empty without one. Throws MACHINE_FILE_INVALID. */
export function machineOf(io: Io): Machine {
  const { machine, broken } = readMachine({ HOME: io.env('HOME') }, io.fs);
  const [first] = broken;
  if (first === undefined) return machine;
  throw new KvdeployError('MACHINE_FILE_INVALID', {
    message: `The machine file does not count: ${first.why}.`,
    hint: first.fix,
    places: broken.map(({ file, why }) => ({ file, note: why })),
  });
}
