/** What `builds add` takes from its command line, and what it never stores or shows. */
import { describe, expect, test } from 'vitest';
import { nodeIo } from '../../../src/io.ts';
import type { Deps } from '../../../src/release/deps.ts';
import { givenBy } from '../../../src/release/listing/given.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'hello' };
const WORDS = { version: '1.4.2', ref: 'green', commit: 'a'.repeat(40) };
const given = (repository: string) => givenBy({ ...WORDS, repository }, SCOPE, { cwd: '/', io: nodeIo } as Deps);

describe('the address of a repository', () => {
  test.each([
    'https://ci:hunter2@example.com/acme',
    'https://hunter2@example.com/acme',
    'HTTPS://ci:hunter2@example.com',
    'https:/ci:hunter2@example.com/acme',
    'https:\\\\ci:hunter2@example.com/acme',
    'https://ci:ab/hunter2@example.com/acme',
    'https://ci%3Ahunter2%40example.com/acme',
    'ssh://git:hunter2@example.com/acme',
    'ci:hunter2@example.com/acme',
    'ci:hunter2@example.com:acme',
    'ci:ab/hunter2@example.com/acme',
    'hunter2@example.com/acme',
    'https://example.com/acme?private_token=hunter2',
    'https://example.com/acme?x=1&X-Amz-Signature=hunter2',
    'https://example.com/acme#access_token=hunter2',
    'https:/\n/ci:hunter2@example.com/acme',
  ])('an address with a secret in it, such as %j, is refused without being shown', (address) => {
    let said = 'stored';
    try {
      given(address);
    } catch (error) {
      said = JSON.stringify(error, Object.getOwnPropertyNames(error));
    }
    expect(said).toContain('USAGE');
    expect(said).toContain('a user or a password');
    expect(said).not.toContain('hunter2');
  });

  test.each([
    'https://example.com/acme/gateway',
    'https://example.com:8443/acme/gateway.git',
    'https://bücher.example/a',
    'https://[2001:db8::1]:80/a',
    'https://example.com/@acme/gateway',
    'https://git.example.com/?p=gateway.git',
    'ssh://git@example.com/acme/gateway',
    'git@github.com:acme/gateway.git',
    'git@ssh.dev.azure.com:v3/acme/web/gateway',
    'github.com/acme/gateway',
    'file:///srv/git/gateway',
    '../gateway',
  ])('the address %s is taken as it is', (address) => {
    expect(given(address).source).toEqual({ repository: address, commit: WORDS.commit });
  });
});
