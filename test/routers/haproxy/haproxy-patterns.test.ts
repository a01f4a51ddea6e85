/** Patterns over server names, by themselves. */
import { describe, expect, it } from 'vitest';
import { placer, placesSchema } from '../../../src/routers/haproxy/haproxy-places.ts';

const matches = (pattern: string, name: string) => placer({ green: { servers: pattern } })(name).length === 1;

describe('a pattern over server names', () => {
  it.each([
    ['green-*', 'green-1'],
    ['green-*', 'green-'],
    ['*', 'anything'],
    ['*-green', 'a-green'],
    ['g*n-*', 'green-7'],
    ['a*b*c', 'a1b2c'],
    ['a**c', 'ac'],
    ['ab*ab', 'abab'],
  ])('a pattern %s stands for the server %s', (pattern, name) => {
    expect(matches(pattern, name)).toBe(true);
  });

  it.each([
    ['green-*', 'agreen-1'],
    ['green-*', 'green'],
    ['*-green', 'a-green2'],
    ['ab*ab', 'ab'],
    ['a*b*c', 'acb'],
    ['gr.en*', 'green1'],
  ])('a pattern %s does not stand for the server %s', (pattern, name) => {
    expect(matches(pattern, name)).toBe(false);
  });

  it('a pattern with many stars is answered at once for a long name that almost fits', () => {
    expect(matches(`${'a*'.repeat(60)}b`, 'a'.repeat(256))).toBe(false);
  });

  it('a pattern given for a place without `servers:` is refused with the two forms that a place may have', () => {
    const [issue] = placesSchema.safeParse({ blue: ['b1'], green: 'g*' }).error?.issues ?? [];
    expect(issue).toMatchObject({
      path: ['green'],
      message: 'a place is a list of servers, such as [b1, b2], or { servers: "green-*" }',
    });
  });
});
