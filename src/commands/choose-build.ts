/** From what was typed to a GUID. A prefix may stand for a GUID on the command line, never in a file. */
import { KvdeployError, refusalError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { type Guid, parseGuid } from '../core/scope.ts';

const PREFIX_MIN = 8;

/**
 * The GUID that `typed` names among `known`. A whole GUID is taken as it is, known or not, so that the locks can say
 * whose it is; a prefix must fit exactly one.
 */
export function guidOf(typed: string, known: readonly Guid[], seeCommand: string): Guid {
  const whole = parseGuid(typed);
  if (whole !== undefined) return whole;
  const prefix = typed.toLowerCase();
  if (!/^[0-9a-f][0-9a-f-]*$/.test(prefix) || prefix.length < PREFIX_MIN) {
    throw new KvdeployError('GUID_UNCLEAR', {
      message: `${JSON.stringify(typed)} is neither a GUID nor a prefix of at least ${PREFIX_MIN} of its characters.`,
      hint: seeCommand,
    });
  }
  const fits = [...new Set(known)].filter((guid) => guid.startsWith(prefix));
  const only = fits[0];
  if (only !== undefined && fits.length === 1) return only;
  if (only !== undefined)
    throw new KvdeployError('GUID_UNCLEAR', {
      message: `${typed} fits ${fits.length} builds: ${fits.join(', ')}.`,
      hint: 'Type more of it.',
    });
  const near = nearest(
    prefix,
    known.map((guid) => guid.slice(0, prefix.length)),
  );
  throw refusalError({
    code: 'GUID_UNCLEAR',
    message: `No build begins with ${typed}.`,
    hint: near === undefined ? seeCommand : `Did you mean ${known.find((guid) => guid.startsWith(near)) ?? near}?`,
  });
}
