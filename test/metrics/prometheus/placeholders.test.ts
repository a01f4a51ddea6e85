// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
import { describe, expect, it } from 'vitest';
import type { Guid } from '../../../src/core/scope.ts';
import type { Question } from '../../../src/metrics/metric-source.ts';
import { filled, placeholderProblem, unaskable } from '../../../src/metrics/prometheus/placeholders.ts';

const BLUE: Question = {
  scope: { tenant: 'acme', environment: 'production', service: 'auth' },
  build: '0b9f5bd2-1111-4111-8111-111111111111' as Guid,
  place: 'blue.1',
  version: '1.1.0',
  digest: `sha256:${'1'.repeat(64)}`,
  labels: { pod_template_hash: '6d5f', odd: 'a"b\\c`d' },
};
const GREEN: Question = { ...BLUE, build: '7f3c2a10-2222-4222-8222-222222222222' as Guid, place: 'green', version: '1.2.0' };

describe('placeholders in queries', () => {
  it.each([
    ['x{version="${version}"}', 'x{version="1.1.0"}'],
    ['x{version!~"${version}"}', 'x{version!~"1\\\\.1\\\\.0"}'],
    ['x{version=~`${version}`}', 'x{version=~`1\\.1\\.0`}'],
    ['x{a=~\'v${version}-.*\', b="${place}"}', 'x{a=~\'v1\\\\.1\\\\.0-.*\', b="blue.1"}'],
    ['x{image=~".*@${digest}"}', `x{image=~".*@sha256:${'1'.repeat(64)}"}`],
    ['x{hash="${label.pod_template_hash}"}', 'x{hash="6d5f"}'],
    ['x{odd="${label.odd}"}', 'x{odd="a\\"b\\\\c`d"}'],
    ["x{odd='${label.odd}'}", "x{odd='a\"b\\\\c`d'}"],
    ['x{a="${place}"} # ${version} and "', 'x{a="blue.1"} # ${version} and "'],
    ['x{a="\\"${place}"}', 'x{a="\\"blue.1"}'],
  ])('a value stands for itself wherever it is put: %s', (query, wanted) => {
    expect(filled(query, BLUE)).toBe(wanted);
  });

  it.each([
    ['x{a="${verison}"}', /no placeholder \$\{verison\}\. Did you mean \$\{version\}\?/],
    ['x{a="${Version}"}', /Did you mean \$\{version\}\?/],
    ['x{a="${pod_template_hash}"}', /Did you mean \$\{label\.pod_template_hash\}\?/],
    ['x{a="${labels.pod}"}', /Did you mean \$\{label\.pod\}\?/],
    ['x{a="${build"}', /no placeholder/],
    ['x', /has no placeholder/],
    ['x # ${build}', /has no placeholder/],
    ['x_${version}', /only in the value of a label matcher/],
    ['label_replace(x{a="${place}"}, "a", "$1", "b", "${version}")', /only in the value of a label matcher/],
  ])('a query with a placeholder that cannot stand there is refused: %s', (query, why) => {
    expect(placeholderProblem(query)).toMatch(why);
  });

  it.each([['x{a="${version}"}'], ['x{a=~"${label.pod_template_hash}.*"}'], ['x_${place}']])(
    'a query whose placeholders are known is accepted: %s',
    (query) => {
      expect(placeholderProblem(query)).toBeUndefined();
    },
  );

  it('a build that lacks what a query names is said by name, with what to add', () => {
    const none = { ...GREEN, labels: undefined };
    const why =
      /build 7f3c2a10\S* has no label pod_template_hash, .*add labels: \{ pod_template_hash: … \} to it in the manifest/;
    expect(unaskable(['x{a="${label.pod_template_hash}"}'], { candidate: none, stable: BLUE })).toMatch(why);
    expect(unaskable(['x{a="${label.pod_template_hash}"}'], { candidate: BLUE, stable: none })).toMatch(why);
    expect(unaskable(['x{a="${label.constructor}"}'], { candidate: BLUE, stable: null })).toMatch(/no label constructor/);
    expect(unaskable(['x{a=`${label.odd}`}'], { candidate: BLUE, stable: null })).toMatch(/backtick/);
  });

  it('two builds that a query does not tell apart are refused, with what is the same', () => {
    const same = { ...GREEN, version: BLUE.version };
    expect(unaskable(['x{a="${version}"}'], { candidate: same, stable: BLUE })).toMatch(
      /\$\{version\} is 1\.1\.0 for both builds.*same series.*such as \$\{place\}/,
    );
    expect(unaskable(['x{a="${version}",b="${place}"}'], { candidate: same, stable: BLUE })).toBeUndefined();
    expect(unaskable(['x{a="${place}"}', 'y{a="${version}"}'], { candidate: same, stable: BLUE })).toMatch(/same series/);
  });
});
