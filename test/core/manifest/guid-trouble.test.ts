import { describe, expect, test } from 'vitest';
import { guidTrouble } from '../../../src/core/manifest/guid-trouble.ts';

const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const DIGEST = `sha256:${'1'.repeat(64)}`;

describe('a text that is no GUID', () => {
  test.each([
    [COMMIT, 'a git commit', `--commit ${COMMIT} --repository URL`],
    ['3F2A9C1', 'a git commit', '--commit 3f2a9c1 --repository URL'],
    [DIGEST, 'an image digest', `--digest ${DIGEST}`],
    [`registry.example.com/acme/app@${DIGEST}`, 'an image digest', `--digest ${DIGEST}`],
    ['v1.4.2', 'a version', '--version v1.4.2 --digest D'],
    ['2026.11.21-3', 'a version', '--version 2026.11.21-3 --digest D'],
    ['1.4.2+build.7', 'a version', '--version 1.4.2+build.7 --digest D'],
    ['01ARZ3NDEKTSV4RRFFQ69G5FAV', 'a ULID', '--label ulid=01ARZ3NDEKTSV4RRFFQ69G5FAV'],
  ])('a text such as %s is called %s, and the fix is the command with it', (text, kind, part) => {
    const { why, fix } = guidTrouble(text);
    expect(why).toContain(`8-4-4-4-12 hex digits with hyphens between them; this looks like ${kind}`);
    expect(fix).toContain('kvdeploy builds add --env E ');
    expect(fix).toContain(part);
    expect(fix).toContain('UUIDv5 of the digest, or of repository@commit');
  });

  test.each(['latest', 'build-4711', '', 'ghcr.io/acme/app:1', '00000000-0000-0000-0000-000000000000', 'a-b-c-d-e'])(
    'the text "%s" gets the recipe too',
    (text) => {
      expect(guidTrouble(text).fix).toContain('kvdeploy builds add --env E --version V --digest D --ref PLACE');
    },
  );

  test('a GUID that lost its hyphens is given back with them', () => {
    const { why, fix } = guidTrouble('7C9E6679742540DE944BE07FC1F90AE7');
    expect(why).toContain('no hyphens');
    expect(fix).toContain('write it as 7c9e6679-7425-40de-944b-e07fc1f90ae7');
  });

  test('a GUID with a slip in it is told where', () => {
    expect(guidTrouble('7c9e6679-7425-40de-944b-e07fc1f90aeg').why).toContain('the character "g"');
    expect(guidTrouble('7c9e6679-7425-40de-944-e07fc1f90ae7').why).toContain('the fourth group has 3 of 4 digits');
  });
});
