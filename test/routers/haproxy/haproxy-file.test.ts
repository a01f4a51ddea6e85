/** What haproxy.cfg says, by the command line of a process: which files, which servers, and when that is unknown. */
import { expect, it } from 'vitest';
import { writtenOf } from '../../../src/routers/haproxy/haproxy-file.ts';

const CFG = 'global\ndefaults\nbackend gw\n  server blue 10.0.0.1:80 check\n  server-template pool- 2 app.test:80\n';

/** A disk with these files, and a process 7 that was started so. */
function disk(words: readonly string[], files: Readonly<Record<string, string>>) {
  const all: Record<string, string> = { ...files, '/proc/7/cmdline': `${words.join('\0')}\0` };
  const isDirectory = (path: string) => Object.keys(all).some((name) => name.startsWith(`${path}/`));
  const statSync = (path: string) => {
    if (all[path] === undefined && !isDirectory(path)) throw new Error(`ENOENT ${path}`);
    return { isDirectory: () => isDirectory(path), isFile: () => !isDirectory(path), size: all[path]?.length ?? 0 };
  };
  const readFileSync = (path: string) => {
    if (all[path] === undefined) throw new Error(`ENOENT ${path}`);
    return all[path];
  };
  const readdirSync = (path: string) =>
    Object.keys(all).flatMap((name) => (name.startsWith(`${path}/`) ? [name.slice(path.length + 1)] : []));
  return { fs: { statSync, readFileSync, readdirSync } } as unknown as Parameters<typeof writtenOf>[3];
}

it.each([
  ['-f FILE', ['haproxy', '-W', '-f', '/etc/haproxy.cfg'], { '/etc/haproxy.cfg': CFG }],
  [
    '-f FOLDER',
    ['/usr/sbin/haproxy', '-f', '/etc/haproxy'],
    { '/etc/haproxy/a.cfg': CFG, '/etc/haproxy/notes.txt': 'backend gw' },
  ],
  ['files after --', ['haproxy', '--', '/etc/haproxy.cfg'], { '/etc/haproxy.cfg': CFG }],
  ['a relative file', ['haproxy', '-f', 'haproxy.cfg'], { '/proc/7/cwd/haproxy.cfg': CFG }],
])('the servers of haproxy.cfg are found by %s, and one that is not there is named', (_how, words, files) => {
  expect(writtenOf(['blue', 'pool-1', 'pool-2'], 'gw', 7, disk(words, files))).toMatchObject({
    fleeting: undefined,
    rule: undefined,
    doubts: [],
  });
  expect(writtenOf(['blue', 'green'], 'gw', 7, disk(words, files)).fleeting?.why).toMatch(/^green was added at run time/);
});

it.each([
  ['the process is no HAProxy', 7, ['nginx', '-f', '/etc/haproxy.cfg'], CFG],
  ['the process is on another host', null, ['haproxy', '-f', '/etc/haproxy.cfg'], CFG],
  ['a name is made of variables', 7, ['haproxy', '-f', '/etc/haproxy.cfg'], 'backend gw\n  server "${NAME}" 10.0.0.1:80\n'],
  ['the backend stands elsewhere', 7, ['haproxy', '-f', '/etc/haproxy.cfg'], 'backend other\n  server a 10.0.0.1:80\n'],
  ['the file cannot be read', 7, ['haproxy', '-f', '/srv/kept/haproxy.cfg'], CFG],
])('whether a server stands in haproxy.cfg is unknown, and no refusal, where %s', (_when, pid, words, text) => {
  const written = writtenOf(['green'], 'gw', pid, disk(words, { '/etc/haproxy.cfg': text }));
  expect(written).toMatchObject({ fleeting: undefined, doubts: [expect.stringContaining('is not known')] });
});

it.each([
  ['  stick on src', 'stick on src'],
  ['\tstick  match src table t', 'stick  match src table t'],
  ['  use-server green if { hdr(x-beta) 1 }', 'use-server green if { hdr(x-beta) 1 }'],
  ['  persist rdp-cookie', 'persist rdp-cookie'],
  ['  stick-table type ip size 1m', undefined],
])('a rule that chooses a server whatever its weight is found in its own backend alone: %s', (line, rule) => {
  const text = `backend gx\n  stick on hdr(x)\nbackend gw\n${line}\n  server green 10.0.0.1:80\nlisten gy\n  use-server a if TRUE\n`;
  const written = writtenOf(['green'], 'gw', 7, disk(['haproxy', '-f', '/etc/haproxy.cfg'], { '/etc/haproxy.cfg': text }));
  expect(written.rule).toBe(rule);
});
