/** A pool of several servers behind one server's address, as far as the same haproxy.cfg shows it. */
import { expect, it } from 'vitest';
import { finder, linesOf } from '../../../src/routers/haproxy/haproxy-lines.ts';
import { poolsBehind } from '../../../src/routers/haproxy/haproxy-pools.ts';

const BACKEND = 'backend gw\n  server blue 127.0.0.1:8201\n  server green 127.0.0.1:8202\n';

/** What is said of blue and green. */
function said(more: string): readonly string[] {
  const text = `global\n${BACKEND}${more}`;
  const lines = linesOf(text) ?? [];
  const lineOf = finder(lines.filter(({ section }) => section === 'gw'));
  return poolsBehind([lineOf('blue'), lineOf('green')], text, lines);
}

it.each([
  ['a listen section', 'listen pool\n  bind 127.0.0.1:8202\n  server g1 10.0.0.1:80\n  server g2 10.0.0.2:80\n'],
  ['any address', 'listen pool\n  bind *:8202\n  server g1 10.0.0.1:80\n  server g2 10.0.0.2:80\n'],
  [
    'a frontend with a default backend',
    'frontend in\n  bind :9,:8202\n  default_backend pool\nbackend pool\n  server g1 10.0.0.1:80\n  server g2 10.0.0.2:80\n',
  ],
])('a server that is a pool of several is named, by %s', (_how, more) => {
  expect(said(more)).toEqual([expect.stringMatching(/^green is pool, a pool of g1, g2: one question reaches one of them/)]);
});

it('a template behind a server is a pool too, since it may have several', () => {
  expect(said('listen pool\n  bind 127.0.0.1:8202\n  server-template g 5 app.test:80\n')).toHaveLength(1);
});

it.each([
  ['one server alone behind it', 'listen one\n  bind 127.0.0.1:8202\n  server g1 10.0.0.1:80\n'],
  ['another port', 'listen pool\n  bind 127.0.0.1:8203\n  server g1 10.0.0.1:80\n  server g2 10.0.0.2:80\n'],
  ['another host', 'listen pool\n  bind 10.0.0.9:8202\n  server g1 10.0.0.1:80\n  server g2 10.0.0.2:80\n'],
])('nothing is said of a server with %s', (_what, more) => {
  expect(said(more)).toEqual([]);
});
