import { describe, expect, it } from 'vitest';
import type { Fs } from '../../../src/base/durable/fs.ts';
import { workersOf } from '../../../src/base/nginx/nginx-workers.ts';

interface Process {
  readonly title: string;
  readonly parent: number;
  readonly group?: number;
}

const MASTER = { title: 'nginx: master process /usr/sbin/nginx', parent: 1 };
const WORKER = { title: 'nginx: worker process', parent: 10 };

/** A /proc with these processes, and a pid file. */
function see(processes: Readonly<Record<number, Process>>, answered: readonly number[], pid = '10\n') {
  const files = new Map([
    ['/run/nginx.pid', pid],
    ['/proc/uptime', '5000.00 1.00'],
  ]);
  for (const [id, { title, parent, group = 10 }] of Object.entries(processes)) {
    files.set(`/proc/${id}/cmdline`, `${title.replaceAll(' ', '\0')}\0`);
    files.set(`/proc/${id}/stat`, `${id} (nginx) S ${parent} ${group} ${'0 '.repeat(16)}499900 0`);
  }
  const fs = {
    readFileSync: (path: string) => {
      const text = files.get(path);
      if (text === undefined) throw new Error(`ENOENT: ${path}`);
      return text;
    },
    readdirSync: () => ['self', 'uptime', ...Object.keys(processes)],
  };
  return workersOf('/run/nginx.pid', answered, fs as unknown as Fs);
}

const INIT = { title: '/sbin/init', parent: 0, group: 1 };

describe('the processes of nginx', () => {
  it('workers that are shutting down are counted, and the age of the newest one', () => {
    const all = { 1: INIT, 10: MASTER, 11: WORKER, 12: { ...WORKER, title: 'nginx: worker process is shutting down' } };
    expect(see(all, [11])).toEqual({ leaving: 1, youngestMs: 1000 });
  });

  it('all workers of a dead master are named, those that did not answer too', () => {
    const orphan = { ...WORKER, parent: 1 };
    const other = { ...WORKER, parent: 20, group: 20 };
    const all = { 1: INIT, 11: orphan, 12: orphan, 20: { ...MASTER, group: 20 }, 21: other };
    const { unusable, leaving } = see(all, [11], '20\n');
    expect(unusable).toEqual({
      why: expect.stringContaining('its workers (11 12) go on with the split that they have'),
      cure: expect.stringContaining('kill -QUIT 11 12'),
    });
    expect(leaving).toBeNull();
  });

  it('workers of a dead master beside those of a new one are named', () => {
    const all = { 1: INIT, 10: { ...MASTER, group: 30 }, 11: { ...WORKER, group: 30 }, 12: { ...WORKER, parent: 1 } };
    expect(see(all, [11, 12]).unusable?.cure).toContain('kill -QUIT 12');
    expect(see(all, [11, 12]).unusable?.cure).not.toContain('11');
  });

  it('two masters, as in an upgrade that was not finished, are refused', () => {
    const all = { 1: INIT, 10: MASTER, 11: WORKER, 20: { ...MASTER, parent: 10 }, 21: { ...WORKER, parent: 20 } };
    for (const answered of [[11], [21], [11, 21]])
      expect(see(all, answered, '20\n').unusable?.why).toContain('several master processes');
  });

  it('a pid file of another nginx is refused, and one that names no process is doubted', () => {
    const all = { 1: INIT, 10: MASTER, 11: WORKER };
    expect(see(all, [11], '99\n').unusable?.why).toContain('names 99, but the workers that answer belong to 10');
    for (const empty of ['', 'no number\n']) expect(see(all, [11], empty).doubt).toContain('names no process');
  });

  it.each([
    ['a worker that is not here', [77], 'process 77, which answers the probe, is no worker that can be seen here'],
    ['a process that is something else', [1], 'process 1, which answers the probe'],
    ['an answer without a pid', [], 'does not say which process answers'],
  ])('%s is a doubt, not a count of zero', (_name, answered, doubt) => {
    const seen = see({ 1: INIT, 10: MASTER, 11: WORKER }, answered);
    expect(seen).toEqual({ leaving: null, youngestMs: null, doubt: expect.stringContaining(doubt) });
  });
});
