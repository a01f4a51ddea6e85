/** What `builds add --live` takes from the build that serves now: its place, and what each of its members says of itself. Must not guess. */
import type { Code } from '../../base/codes.ts';
import type { MemberAnswer } from '../../core/admission/answers.ts';
import { KvdeployError } from '../../core/errors.ts';
import { scopeText } from '../../core/scope.ts';
import type { Deps } from '../deps.ts';
import { type Opened, openScope, targetOf } from '../open.ts';
import { servingIn } from '../traffic.ts';
import type { AddOptions } from './given.ts';

/**
 * The options, with what the serving build says filled in. Throws UNREACHABLE where a member is silent, UNEXPECTED_SPLIT where several places
 * serve, IDENTITY_UNCLEAR where members differ, WRONG_SCOPE for another environment, USAGE where an option says otherwise.
 */
export async function liveOptions(options: AddOptions, deps: Deps): Promise<AddOptions> {
  const opened = await openScope(deps, { config: 'needed', anyState: true });
  const target = targetOf(opened, deps);
  const refuse = refusing(opened);
  const reading = await target.read().catch((cause: unknown) => {
    throw refuse('UNREACHABLE', cause instanceof Error ? cause.message : String(cause));
  });
  if (reading.unseen !== undefined) throw refuse('UNREACHABLE', 'a location cannot be read');
  const serving = servingIn(reading);
  const [only] = serving;
  if (only === undefined || serving.length > 1) {
    const shares = serving.map(({ place, percent }) => `${place} ${percent} %`).join(', ');
    throw refuse('UNEXPECTED_SPLIT', `not one place has all traffic: ${shares || 'none has any'}`);
  }
  const answers = (await target.ask(only.place, reading)).filter(({ answer }) => !('down' in answer));
  if (answers.length === 0) throw refuse('UNREACHABLE', `no member of ${only.place} is up`);
  const words = answers.map((each) => wordOf(each, opened, refuse));
  const [said] = words;
  const other = words.find((word) => word.text !== said?.text);
  if (said === undefined || other !== undefined)
    throw refuse('IDENTITY_UNCLEAR', `members of ${only.place} differ: ${said?.text} and ${other?.text}`);
  return merged(options, { ref: only.place, ...said.option });
}

type Refuse = (code: Code, why: string) => KvdeployError;

function refusing({ scope, flags }: Opened): Refuse {
  return (code, why) =>
    new KvdeployError(code, {
      message: `Which build serves ${scopeText(scope)} is not certain: ${why.replace(/\.$/, '')}. Nothing was written.`,
      hint: `kvdeploy doctor ${flags}`,
    });
}

/** What one member says, and the option that says the same. */
function wordOf({ at, answer }: MemberAnswer, { scope }: Opened, refuse: Refuse): { text: string; option: AddOptions } {
  if ('unreachable' in answer) throw refuse('UNREACHABLE', `${at}: ${answer.unreachable}`);
  if (!('guid' in answer)) throw refuse('UNREACHABLE', `${at} was not asked`);
  const { environment, named, guid, said, unsaid } = answer;
  if (environment !== null && environment !== scope.environment)
    throw refuse('WRONG_SCOPE', `${at} reports that it was made for ${environment}`);
  const is = named?.is ?? 'guid';
  const word = named === undefined ? guid : named.word;
  if (word === null || unsaid !== undefined) throw refuse('UNREACHABLE', `${at} does not say who it is: ${said}`);
  const option = is.startsWith('label.') ? { label: [`${is.slice('label.'.length)}=${word}`] } : { [is]: word };
  return { text: `${is} ${word}`, option };
}

/** An option that was typed must say what the build says. */
function merged(options: AddOptions, live: AddOptions): AddOptions {
  const { label = [], ...rest } = live;
  for (const [name, value] of Object.entries(rest)) {
    const typed = options[name as keyof AddOptions];
    if (typed === undefined || typed === value) continue;
    throw new KvdeployError('USAGE', {
      message: `--${name} ${typed}: the build that serves says ${value}.`,
      hint: `Leave --${name} out, or --live.`,
    });
  }
  return { ...options, ...rest, ...(label.length === 0 ? {} : { label: [...(options.label ?? []), ...label] }) };
}
