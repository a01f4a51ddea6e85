import fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readLog } from '../../../src/base/nginx/nginx-log.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { Luck } from '../../fuzz/luck.ts';
import { seedOfRun } from '../../fuzz/sweep.ts';

const BLUE = '10.0.0.1:80';
const [GREEN, GREEN2] = ['10.0.0.2:80', '10.0.0.3:80'];
const MEMBERS = { blue: [BLUE], green: [GREEN, GREEN2] };

interface Said {
  readonly p?: string;
  readonly s?: string;
  readonly us?: string;
  readonly ua?: string;
  readonly rt?: string;
}

/** As nginx writes it. */
const line = ({ p = 'blue', s = '200', us = s, ua = BLUE, rt = '0.010' }: Said) =>
  `{"t":1.5,"g":"x","p":"${p}","s":${s},"us":"${us}","ua":"${ua}","rt":${rt}}\n`;

let path = '';
let nowMs = 0;

const reading = () => readLog(path, MEMBERS, { fs, nowMs });

/** What each member and place counted, by the end of its tries. */
const ends = () => Object.fromEntries([...reading().counts].map(([key, { byClass }]) => [key, { ...byClass }]));

beforeEach(() => {
  path = join(freshFolder(), 'kv.log');
  nowMs = 1_000_000;
  fs.writeFileSync(path, '');
  reading();
});

const append = (text: string) => fs.appendFileSync(path, text);

describe('what the log of nginx says of each try', () => {
  it.each<[string, Said, object]>([
    ['an answer', {}, { [BLUE]: { 200: 1 } }],
    [
      'a reset that nginx hid',
      { p: 'green', s: '200', us: '502, 200', ua: `${GREEN}, ${GREEN2}` },
      { [GREEN]: { 502: 1 }, [GREEN2]: { 200: 1 } },
    ],
    [
      'an error page made by the other build',
      { p: 'green', s: '200', us: '502 : 200', ua: `${GREEN} : ${BLUE}` },
      { [GREEN]: { 502: 1 }, [BLUE]: { 200: 1 } },
    ],
    [
      'a group whose members are all down',
      { p: 'green', s: '502', us: '502, 502', ua: `${GREEN}, green_pool` },
      { [GREEN]: { 502: 1 }, green: { 502: 1 } },
    ],
    ['a client that left a build that hangs', { s: '499', us: '-', rt: '3.000' }, { [BLUE]: { none: 1 } }],
    ['a client that left at once', { s: '499', us: '-', rt: '0.200' }, {}],
    ['a request that was cut off with its worker', { s: '000', us: '-', rt: '5.422' }, { [BLUE]: { none: 1 } }],
    ['an answer from the cache', { us: '', ua: '' }, {}],
    ['a question of kvdeploy to the probe', { us: '-', ua: '-' }, {}],
    ['a request to another place', { p: 'grey', ua: '10.9.9.9:80' }, {}],
  ])('%s counts as it is', (_name, said, wanted) => {
    append(line(said));
    expect(ends()).toEqual(wanted);
    expect(reading().problem).toBeUndefined();
  });

  it('two targets that share a log each get all that is theirs', () => {
    const other = { red: ['10.0.0.9:80'] };
    readLog(path, other, { fs, nowMs });
    append(line({}) + line({ p: 'red', ua: '10.0.0.9:80' }));
    expect(ends()).toEqual({ [BLUE]: { 200: 1 } });
    expect([...readLog(path, other, { fs, nowMs }).counts.keys()]).toEqual(['10.0.0.9:80']);
  });
});

describe('a log of nginx that is rotated', () => {
  it('lines that workers write to the renamed file are counted, also after the new one is there', () => {
    fs.renameSync(path, `${path}.1`);
    fs.appendFileSync(`${path}.1`, line({}));
    expect(ends()).toEqual({ [BLUE]: { 200: 1 } });
    fs.writeFileSync(path, '');
    reading();
    fs.appendFileSync(`${path}.1`, line({ s: '503' }));
    append(line({}));
    expect(ends()).toEqual({ [BLUE]: { 200: 2, 503: 1 } });
    expect(reading().problem).toBeUndefined();
  });

  it('a renamed log that is still for long is closed, and the new one goes on', () => {
    fs.renameSync(path, `${path}.1`);
    for (let poll = 0; poll < 5; poll += 1) {
      append(line({}));
      reading();
      nowMs += 5000;
    }
    fs.appendFileSync(`${path}.1`, line({ s: '503' }));
    append(line({}));
    expect(ends()).toEqual({ [BLUE]: { 200: 6 } });
  });

  it('a log that is truncated after a copy begins anew, and keeps what was counted', () => {
    append(line({}) + line({}) + line({}).slice(0, 20));
    expect(ends()).toEqual({ [BLUE]: { 200: 2 } });
    fs.truncateSync(path, 0);
    append(line({ s: '404' }));
    expect(ends()).toEqual({ [BLUE]: { 200: 2, 404: 1 } });
    expect(reading().problem).toBeUndefined();
  });
});

describe('a log of nginx that is no answer', () => {
  it('half a line waits for its other half', () => {
    const whole = line({ s: '503' });
    append(whole.slice(0, 30));
    expect(ends()).toEqual({});
    append(whole.slice(30));
    expect(ends()).toEqual({ [BLUE]: { 503: 1 } });
  });

  it('a first reading counts the newest part of the log, and no fault of its older lines is one of today', () => {
    path = `${path}.old`;
    fs.writeFileSync(path, `old format\n${line({ s: '404' }).repeat(20_000)}`);
    const { counts, problem } = reading();
    expect(counts.get(BLUE)?.byClass['404']).toBe(Math.floor((1024 * 1024 - 1) / line({ s: '404' }).length));
    expect(problem).toBeUndefined();
    append(line({ s: '503' }));
    expect(ends()[BLUE]).toMatchObject({ 503: 1 });
  });

  it.each([
    ['garbage', '\u0000\u0001 no log\n'],
    ['another format', '127.0.0.1 - - "GET / HTTP/1.1" 200 5\n'],
    ['a JSON value that is no object', 'null\n'],
    ['a format without the statuses', '{"p":"green","s":200,"ua":"10.0.0.2:80"}\n'],
    ['a line without an end', `"${'x'.repeat(100_000)}`],
  ])('%s is a problem for half a minute, and then the log is read as before', (_name, text) => {
    append(text);
    expect(reading().problem).toContain(`${path} has lines in another format than docs/nginx.md gives: 1 so far`);
    append(text.endsWith('\n') ? line({}) : `\n${line({})}`);
    for (let poll = 0; poll < 4; poll += 1) {
      nowMs += 9000;
      append(line({}));
      reading();
    }
    append(line({}));
    expect(reading().problem).toBeUndefined();
    expect(ends()[BLUE]).toEqual({ 200: 6 });
  });

  it('a log that does not grow is no answer, and never one without errors', () => {
    nowMs += 11_000;
    expect(reading().problem).toContain('does not grow, although nginx answers');
    append(line({}));
    expect(reading().problem).toBeUndefined();
  });

  it('a log that is gone or may not be read is a problem once nothing comes any more', () => {
    fs.rmSync(path);
    nowMs += 11_000;
    expect(reading().problem).toContain('does not grow');
    path = join(freshFolder(), 'none.log');
    expect(reading()).toEqual({ counts: new Map(), problem: expect.stringContaining('cannot be read: ENOENT') });
  });
});

describe('any log of nginx', () => {
  const seed = seedOfRun();

  it(`what is counted is what was written, however it was cut, rotated and mixed with other lines (seed ${seed})`, () => {
    for (let round = 0; round < 150; round += 1)
      oneRun(new Luck(`${seed}/nginx-log/${round}`), `KVDEPLOY_SEED=${seed}, round ${round}`);
  });
});

/** Writes lines of known content in pieces of any size, and reads between them. */
function oneRun(luck: Luck, where: string): void {
  path = join(freshFolder(), 'kv.log');
  fs.writeFileSync(path, '');
  reading();
  let current = path;
  const wanted: Record<string, Record<string, number>> = {};
  let bad = 0;
  for (let at = 0; at < 40; at += 1) {
    let text = '';
    if (luck.chance(0.05)) {
      text = luck.pick(['x\n', '{}\n', '[]\n', '{"p":1}\n', `${'y'.repeat(70_000)}\n`, '"\n', '\n']);
      bad += 1;
    } else {
      const tries = Array.from(
        { length: luck.pick([1, 1, 1, 2, 3]) },
        () => [luck.pick([BLUE, GREEN, GREEN2, 'green_pool']), luck.pick(['200', '404', '502', '504'])] as const,
      );
      for (const [address, status] of tries) {
        const key = address === 'green_pool' ? 'green' : address;
        wanted[key] = { ...wanted[key], [status]: (wanted[key]?.[status] ?? 0) + 1 };
      }
      const by = luck.pick([', ', ' : ']);
      text = line({
        ...{ p: 'green', s: tries.at(-1)?.[1] ?? '200' },
        ...{ us: tries.map(([, status]) => status).join(by), ua: tries.map(([address]) => address).join(by) },
      });
    }
    const cut = luck.pick([0, 1, text.length >> 1, text.length - 1]);
    fs.appendFileSync(current, text.slice(0, cut));
    if (luck.chance(0.5)) reading();
    fs.appendFileSync(current, text.slice(cut));
    if (luck.chance(0.1) && current === path) {
      fs.renameSync(path, `${path}.${at}`);
      current = `${path}.${at}`;
    } else if (current !== path && luck.chance(0.5)) {
      reading();
      current = path;
      fs.writeFileSync(path, '');
      reading();
    }
  }
  expect(ends(), where).toEqual(wanted);
  const { problem } = reading();
  if (bad === 0) expect(problem, where).toBeUndefined();
  else expect(problem, where).toContain(`: ${bad} so far`);
}
