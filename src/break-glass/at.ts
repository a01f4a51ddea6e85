/**
 * `break-glass.mjs at`: the forced command of another host's key. Reads one order a line, and answers each with one line. Must end with its input,
 * and must make one change after another, whatever else it looks at meanwhile.
 */

import { MOST_LINE_BYTES } from '../base/at/at-format.ts';
import { type AtHost, replyTo } from '../base/at/at-host.ts';
import type { Outside } from '../base/changes/change.ts';
import { knownPlaces, type Roots } from '../base/durable/places.ts';
import { readMachine } from '../base/owners/machine-file.ts';
import { canonical } from '../base/shape.ts';
import { findPlaces } from './find.ts';

interface Ends {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly outside: Outside;
  readonly roots: Roots;
}

/** Resolves with the exit code when the input ends and every order is answered. */
export async function serveAt({ stdin, stdout, env, outside, roots }: Ends): Promise<number> {
  const host: AtHost = {
    outside,
    machine: () => {
      const { machine, broken } = readMachine(env, outside.fs);
      const [first] = broken;
      if (first !== undefined) throw new Error(`the machine file ${first.file} of this host does not count: ${first.why}`);
      return machine;
    },
    holdDirs: (scope) =>
      findPlaces(knownPlaces(outside.fs, roots), undefined, outside.fs)
        .filter((place) => canonical(place.scope) === canonical(scope))
        .map(({ dir }) => dir),
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
