/** The recipe of docs/builds.md, by hand. */
import { expect, it } from 'vitest';
import { derived } from '../../src/core/manifest/build-guid.ts';
import { block } from './walk.ts';

it('the recipe of the page on builds prints the GUIDs that kvdeploy derives', () => {
  const script = block('file: recipe.py', 'docs/builds.md');
  const [, tenant = '', environment = '', service = ''] = /kvdeploy:(.*)\/(.*)\/(.*)"/.exec(script) ?? [];
  const names = [...script.matchAll(/uuid5\(scope, "(.*)"\)/g)].map(([, name = '']) => name);
  const guids = names.map((name) => {
    const [repository = '', commit = ''] = name.split('@');
    const made = commit === '' ? { digest: name, source: undefined } : { digest: undefined, source: { repository, commit } };
    return derived(made, { tenant, environment, service }).guid;
  });
  expect(`${guids.join('\n')}\n`).toBe(block('output: recipe', 'docs/builds.md'));
  expect(guids).toHaveLength(2);
});
