/** A program that asks another host once, says so, and ends or stays. */
import { elsewhereBy } from '../../../src/base/at/at-ssh.ts';
import type { SshWay } from '../../../src/base/at/at-way.ts';

const [way = '{}', path = '', then = 'ends'] = process.argv.slice(2);
const scope = { tenant: 'acme', environment: 'production', service: 'web' };
const there = elsewhereBy({ n2: JSON.parse(way) as SshWay }, scope, 'rollout')('n2');
console.log(await there?.ask({ do: 'read', path }));
if (then === 'stays') setInterval(() => undefined, 1000);
