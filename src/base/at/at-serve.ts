/**
 * `break-glass.mjs at`: the forced command of another host's key. Reads one order a line, and answers each with one line. Must end with its input, and
 * never in the middle of a change; must make one change after another, whatever else it looks at meanwhile.
 */
import { limited } from '../limited.ts';
import { readMachine } from '../owners/machine-file.ts';
import { linesInto } from './at-format.ts';
import { type AtHost, replyTo } from './at-host.ts';

/** Orders under way at once: twice as many as the members that are asked at once. No more are read until all of them are answered. */
const AT_ONCE = 256;

interface Ends extends Pick<AtHost, 'outside' | 'holdDirs' | 'only'> {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Resolves with the exit code when the input ends and every order is answered. */
export async function serveAt({ stdin, stdout, env, ...rest }: Ends): Promise<number> {
  const host: AtHost = {
    ...rest,
    machine: () => {
      const { machine, broken } = readMachine(env, rest.outside.fs);
      const [first] = broken;
      if (first !== undefined) throw new Error(`the machine file ${first.file} of this host does not count: ${first.why}`);
      return machine;
    },
    inTurn: limited(1),
  };
  // Whoever asked is gone: what was begun is finished all the same.
  stdout.on('error', () => undefined);
  const all = new Set<Promise<unknown>>();
  const say = (reply: object) => stdout.write(`${JSON.stringify(reply)}\n`);
  const atOnce = limited(AT_ONCE);
  const split = linesInto((line) => {
    if (line.trim() === '') return;
    const answer = atOnce(() => replyTo(line, host)).then(say);
    all.add(answer);
    void answer.finally(() => all.delete(answer));
  });
  stdin.setEncoding('utf8');
  try {
    for await (const text of stdin) {
      split(String(text));
      if (all.size >= AT_ONCE) await Promise.all(all);
    }
  } catch (error) {
    say({ id: -1, failed: error instanceof Error ? error.message : String(error), nowMs: Math.round(host.outside.monotonic()) });
    return 2;
  } finally {
    // Half a line is no order: the connection ended in its middle.
    await Promise.all(all);
  }
  return 0;
}
