/** The tests of the tests, in short: six faults are noticed, the code as it is passes, and no fault of the list has lost its place. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noticed } from './kill.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';

const QUICK = [
  'one commit has one GUID in every environment',
  'two writers of a manifest go on that looked at once',
  'a password in the address of a repository is stored',
  'the ticket of a living writer of a manifest is swept',
  'an entry is acknowledged before it is flushed',
  'a bad build is let in',
  'a rollback marks what it leaves without a word',
  'a build is blamed for its share of the traffic alone',
  'a pardoned build passes a newer one that was known-good',
  'converge returns to the build that a stuck rollback was leaving',
  'a key that stands twice is accepted',
  'a build that crashes over and over holds for ever',
  'what was admitted is not looked at again before it becomes known-good',
  'silence is taken for a yes',
  'a metric that cannot be seen blinds the others',
  'latency that cannot be seen passes',
  'a first step begins next to a stable build that fails',
  'a bake begins again for ever',
  'both builds may be counted by one series',
  "a group's pointer is obeyed without the machine file",
  'a commit proves an environment',
  'a program that says its target is unusable is not heard',
  'two of one build and one of another are adopted',
  'a generation of nginx is believed without its hash',
];
const PROGRAMS = [
  'sockets',
  'admission',
  'digests',
  'sights',
  'strangers',
  'choices',
  'marks',
  'manifests',
  'claims',
  'processes',
  'lost state',
  'fences',
  'in flight',
  'crash loop',
  'churn',
  'stable in trouble',
  'begins again',
  'lone share',
  'unseen share',
  'unseen latency',
  'queries',
  'condition',
  'rescues',
  'lying disk',
  'second state',
  'owners',
  'nginx words',
  'hosts',
  'reserves',
  'holds',
  'odd files',
  'lines',
  'listings',
  'words',
  'members',
] as const;

describe('a fault in the code is noticed:', () => {
  it.each(MUTANTS.filter(({ name }) => QUICK.includes(name)))('a fault in the code is noticed: $name', async (mutant) => {
    expect(await noticed(mutant)).toBeDefined();
  });

  it.each(PROGRAMS)('the program for %s finds nothing in the code without a fault', async (noticedBy) => {
    const none: Mutant = { name: `no mutant for ${noticedBy}`, mutations: [], noticedBy };
    expect(await noticed(none)).toBeUndefined();
  });

  it.each(MUTANTS.flatMap(({ name, mutations }) => mutations.map((mutation) => ({ name, ...mutation }))))(
    'the fault $name has its one place in $file',
    ({ file, from, to }) => {
      const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
      expect(text.split(from)).toHaveLength(2);
      expect(text.replace(from, () => to)).not.toBe(text);
    },
  );
});
