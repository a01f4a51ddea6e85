import { describe, expect, it } from 'vitest';
import { readTrace } from '../../src/backtest/trace.ts';

const HEADER = 't_s,slice,build,requests,errors';
const read = (...lines: readonly string[]) => readTrace([HEADER, ...lines].join('\n'), 'trace.csv');
const only = (...lines: readonly string[]) => {
  const { rows, findings } = read(...lines);
  expect(rows).toEqual([]);
  expect(findings).toHaveLength(1);
  return findings[0];
};

describe('a trace', () => {
  it('a trace is read line by line, with an empty slice for the whole service', () => {
    const { rows, findings } = read('15,,candidate,150,1', '15,eu,stable,14850,12', '', '30.5,,candidate,0,0');
    expect(findings).toEqual([]);
    expect(rows).toEqual([
      { line: 2, tS: 15, slice: null, arm: 'candidate', requests: 150, errors: 1, status: null, le: null },
      { line: 3, tS: 15, slice: 'eu', arm: 'stable', requests: 14850, errors: 12, status: null, le: null },
      { line: 5, tS: 30.5, slice: null, arm: 'candidate', requests: 0, errors: 0, status: null, le: null },
    ]);
  });

  it('a trace may have columns in any order, Windows line ends, a byte order mark, statuses and latency bounds', () => {
    const text = '\uFEFFbuild,t_s,errors,requests,slice,status,le\r\ncandidate,15,3,3,,503,\r\nstable,15,0,9,, ,+Inf\r\n';
    const { rows, findings } = readTrace(text, 'trace.csv');
    expect(findings).toEqual([]);
    expect(rows).toMatchObject([
      { status: '503', le: null, requests: 3 },
      { status: null, le: Number.POSITIVE_INFINITY, requests: 9 },
    ]);
  });

  it.each([
    ['negative counts', '15,,candidate,-1,0', 15, /"-1" is not a whole number/],
    ['broken counts', '15,,candidate,1.5,0', 15, /"1.5" is not a whole number/],
    ['absurd counts', '15,,candidate,99999999999999,0', 15, /is not a whole number from 0/],
    ['infinite counts', '15,,candidate,Infinity,0', 15, /"Infinity"/],
    ['hexadecimal counts', '15,,candidate,0x10,0', 15, /"0x10"/],
    ['more errors than requests', '15,,candidate,10,12', 18, /12 errors of only 10 requests/],
    ['a build of another name', '15,,canary,10,0', 5, /"canary" is neither candidate nor stable/],
    ['a time that is none', 'soon,,candidate,10,0', 1, /"soon" is not seconds/],
    ['too few cells', '15,,candidate,10', 1, /4 cells under 5 columns/],
    ['quotes', '15,"eu",candidate,10,0', 4, /quoted cells/],
  ])('a trace with %s is refused at its place', (_what, line, column, message) => {
    expect(only(line)).toMatchObject({
      code: 'TRACE_INVALID',
      file: 'trace.csv',
      line: 2,
      column,
      message: expect.stringMatching(message),
    });
  });

  it('a trace that goes back in time, or says an interval twice, is refused', () => {
    expect(read('30,,stable,10,0', '15,,stable,10,0').findings).toMatchObject([
      { line: 3, message: 'time runs backwards from 30 to 15' },
    ]);
    expect(read('30,,stable,10,0', '30,,stable,10,0').findings).toMatchObject([
      { line: 3, message: expect.stringMatching(/^line 2 already has/) },
    ]);
  });

  it.each([
    ['', /the header has no t_s/],
    ['t_s,slice,build,requests', /the header has no errors/],
    ['t_s,slice,build,requests,errors,errors', /errors occurs twice/],
    ['t_s,slice,build,requests,erors', /no column "erors". Did you mean/],
  ])('a trace with the header "%s" is refused', (header, message) => {
    const { findings } = readTrace(`${header}\n1,2,3`, 'trace.csv');
    expect(findings).toMatchObject([{ line: 1, message: expect.stringMatching(message) }]);
  });

  it('a trace with a header but no datas header is refused', () => {
    expect(read().findings).toMatchObject([{ message: expect.stringMatching(/no data/) }]);
  });

  it.each([
    ['status', 't_s,slice,build,requests,errors,status\n1,,stable,1,0,teapot', /"teapot" is not a status/],
    ['bound', 't_s,slice,build,requests,errors,le\n1,,stable,1,0,fast', /"fast" is not a latency bound/],
    ['both', 't_s,slice,build,requests,errors,status,le\n1,,stable,1,0,200,0.5', /not both/],
  ])('a trace with a wrong %s is refused', (_what, text, message) => {
    expect(readTrace(text, 'trace.csv').findings).toMatchObject([{ line: 2, message: expect.stringMatching(message) }]);
  });

  it('a trace without the stable build is refused, and one without the candidate is read', () => {
    const alone = [HEADER, '15,,stable,10,0', '30,,stable,10,0'].join('\n');
    expect(readTrace(alone, 'trace.csv').findings).toEqual([]);
    expect(readTrace(alone, 'trace.csv', 'stable').findings).toEqual([]);
    expect(read('15,,candidate,10,0').findings).toMatchObject([{ message: expect.stringMatching(/no line for the stable/) }]);
  });

  it('a trace whose builds are never counted in one interval is refused', () => {
    expect(read('15,,candidate,10,0', '15.2,,stable,10,0').findings).toMatchObject([
      { message: 'no interval has lines for both builds' },
    ]);
  });

  it.each([
    [
      'slices with more requests than the whole',
      ['15,,stable,10,1', '15,eu,stable,8,0', '15,us,stable,8,0'],
      2,
      /add up to 0 errors of 16 requests/,
    ],
    ['slices with more errors than the whole', ['15,,stable,20,1', '15,eu,stable,8,2'], 2, /the slices add up to 2 errors/],
  ])('a trace with %s is refused', (_what, lines, line, message) => {
    const { findings } = read(...lines, '15,,candidate,1,0');
    expect(findings).toMatchObject([{ line, message: expect.stringMatching(message), fix: expect.stringMatching(/./) }]);
  });

  it.each([
    [
      'statuses with more than all of them',
      'status',
      ['10,0,', '8,0,200', '3,0,404'],
      4,
      /the statuses add up to 11 requests, but line 2 has only 10/,
    ],
    ['latency bounds without +Inf', 'le', ['10,0,', '8,0,0.5'], 3, /no latency bound \+Inf/],
    ['latency bounds that fall', 'le', ['10,0,', '8,0,0.5', '5,0,1', '10,0,+Inf'], 4, /5 requests up to 1 s, but 8 up to 0.5 s/],
  ])('a trace with %s is refused', (_what, column, cells, line, message) => {
    const text = [`${HEADER},${column}`, ...cells.map((cell) => `15,,stable,${cell}`), '15,,candidate,1,0,'].join('\n');
    expect(readTrace(text, 'trace.csv').findings).toMatchObject([{ line, message: expect.stringMatching(message) }]);
  });

  it('a trace may have informational answers next to the final ones', () => {
    const text = [
      `${HEADER},status`,
      '15,,stable,10,0,',
      '15,,stable,10,0,103',
      '15,,stable,10,0,200',
      '15,,candidate,1,0,',
    ].join('\n');
    expect(readTrace(text, 'trace.csv').findings).toEqual([]);
  });

  it('a trace that is refused stops telling after fifty findings', () => {
    const lines = Array.from({ length: 500 }, () => 'x,y,z,-1,-1');
    expect(read(...lines).findings.length).toBeLessThan(60);
  });
});
