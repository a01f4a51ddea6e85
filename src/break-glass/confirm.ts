/** The confirmation: the environment's name, typed or given. Must take nothing else for a yes, least of all from a pipe. */
import { createInterface } from 'node:readline';
import { Refused } from './refusal.ts';

export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean | undefined };
}

/** Throws Refused unless `given` (from --confirm) or what a person types now is the environment's name. */
export async function confirm(
  environment: string,
  given: string | undefined,
  mayAsk: boolean,
  terminal: Terminal,
): Promise<void> {
  if (given === environment) return;
  const hint = `Look at the build and the changes above, then add: --confirm ${environment}`;
  if (given !== undefined)
    throw new Refused('NOT_CONFIRMED', `--confirm says ${JSON.stringify(given)}, not ${environment}.`, hint);
  if (!mayAsk || terminal.stdin.isTTY !== true || terminal.stderr.isTTY !== true) {
    throw new Refused('NO_TERMINAL', 'There is no terminal to type the environment at, and nothing else is a yes.', hint);
  }
  const typed = await ask(`Type the environment to go on (${environment}): `, hint, terminal);
  if (typed.trim() !== environment) throw new Refused('NOT_CONFIRMED', `${JSON.stringify(typed)} is not ${environment}.`, hint);
}

function ask(question: string, hint: string, { stdin, stderr }: Terminal): Promise<string> {
  // Not a terminal to readline: it would send escape sequences, and the system's own line editing is enough.
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  const stop = () => lines.close();
  process.once('SIGINT', stop);
  const answer = new Promise<string>((resolve, reject) => {
    stderr.write(question);
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => reject(new Refused('NOT_CONFIRMED', 'Nothing was typed.', hint)));
  });
  return answer.finally(() => process.off('SIGINT', stop));
}
