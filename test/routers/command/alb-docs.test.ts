import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { nodeIo } from '../../../src/io.ts';
import { command } from '../../../src/routers/command/command.ts';
import { askedText } from '../../../src/routers/command/command-protocol.ts';
import { freshFolder } from '../../fresh-folder.ts';

const page = readFileSync('docs/alb.md', 'utf8');

it('the config of docs/alb.md is one that the router takes', () => {
  const { kind, ...settings } = parse(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '').router;
  expect(kind).toBe(command.kind);
  expect(command.config.safeParse(settings)).toMatchObject({ success: true });
});

it('the target file of docs/alb.md is one that alb.sh takes, which then asks AWS for that rule', async () => {
  const folder = freshFolder();
  mkdirSync(join(folder, 'bin'));
  copyFileSync('docs/examples/alb.sh', join(folder, 'alb.sh'));
  const text = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  writeFileSync(join(folder, 'web.json'), text);
  writeFileSync(join(folder, 'bin/aws'), '#!/bin/sh\necho "$@" >&2\nexit 3\n', { mode: 0o755 });
  const script = `PATH="${folder}/bin:$PATH" exec bash "${folder}/alb.sh" "${folder}" read`;
  const { exitCode, stderr } = await nodeIo.run(['/bin/sh', '-c', script], 30_000, () => undefined, askedText('web'));
  expect(stderr).toContain(`--region eu-west-1`);
  expect(stderr).toContain(`elbv2 describe-rules --rule-arns ${JSON.parse(text).rule}`);
  expect(exitCode).toBe(2);
});
