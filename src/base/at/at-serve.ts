/**
 * `break-glass.mjs at`: the forced command of another host's key. Reads one order a line, and answers each with one line. Must end with its input,
 * and must make one change after another, whatever else it looks at meanwhile.
 */
import { readMachine } from '../owners/machine-file.ts';
import { MOST_LINE_BYTES } from './at-format.ts';
import { type AtHost, replyTo } from './at-host.ts';

interface Ends extends Pick<AtHost, 'outside' | 'holdDirs'> {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Resolves with the exit code when the input ends and every order is answered. */
export async function serveAt({ stdin, stdout, env, outside, holdDirs }: Ends): Promise<number> {
  const host: AtHost = {
    outside,
    machine: () => {
      const { machine, broken } = readMachine(env, outside.fs);
      const [first] = broken;
      if (first !== undefined) throw new Error(`the machine file ${first.file} of this host does not count: ${first.why}`);
      return machine;
    },
    holdDirs,
  };
  let changes: Promise<unknown> = Promise.resolve();
  const all = new Set<Promise<unknown>>();
  const take = (line: string) => {
    const isChange = line.includes('"do":"make"');
    const answer = (isChange ? changes : Promise.resolve()).then(async () => {
      stdout.write(`${JSON.stringify(await replyTo(line, host))}\n`);
    });
    if (isChange) changes = answer;
    all.add(answer);
    void answer.finally(() => all.delete(answer));
  };
  let rest = '';
  stdin.setEncoding('utf8');
  for await (const text of stdin) {
    const lines = (rest + String(text)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MOST_LINE_BYTES) return 2;
    for (const line of lines) if (line.trim() !== '') take(line);
  }
  // Half a line is no order: the connection ended in its middle.
  await Promise.all(all);
  return 0;
}
