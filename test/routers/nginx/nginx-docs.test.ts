/** The nginx.conf, the include and the config of docs/nginx.md, as they are printed there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { make } from '../../../src/base/changes/make.ts';
import { nodeIo } from '../../../src/io.ts';
import { nginx } from '../../../src/routers/nginx/nginx.ts';
import type { NginxConfig } from '../../../src/routers/nginx/nginx-config.ts';
import { startBackend } from '../../servers/backend.ts';
import { load } from '../../servers/load.ts';
import { freePort, startProgram, tempFolder, until } from '../../servers/program.ts';
import { changesOf } from '../readings.ts';

const GUIDS = ['0b9f5bd2-1111-4111-8111-111111111111', '7f3c2a10-2222-4222-8222-222222222222'];

const page = readFileSync('docs/nginx.md', 'utf8');
const blocks = [...page.matchAll(/<!-- tested by \S+ -->\n```\w+\n([\s\S]*?)```/g)].map(([, text = '']) => text);

describe('docs/nginx.md', () => {
  it('the nginx.conf, the include and the config of the page work together, from the first include by hand to a shift', async () => {
    const backends = await Promise.all(GUIDS.map((guid) => startBackend({ guid })));
    const { folder, remove } = tempFolder();
    const port = await freePort();
    const here = (text: string) =>
      text
        .replaceAll('/etc/nginx/kvdeploy', `${folder}/kvdeploy`)
        .replaceAll('/var/log/nginx', folder)
        .replaceAll('/run/nginx.pid', `${folder}/nginx.pid`)
        .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
        .replaceAll('127.0.0.1:9001', `127.0.0.1:${backends[0]?.port}`)
        .replaceAll('127.0.0.1:9002', `127.0.0.1:${backends[1]?.port}`);
    const [conf = '', include = '', config = ''] = blocks.map(here);
    const file = path.join(folder, 'nginx.conf');
    mkdirSync(path.join(folder, 'kvdeploy'));
    writeFileSync(file, `daemon off;\nuser root;\n${conf}`);
    writeFileSync(path.join(folder, 'kvdeploy/web.conf'), include);
    const program = await startProgram('nginx', ['-c', file, '-p', folder], folder);
    onTestFinished(async () => {
      await program.signal('SIGTERM');
      await Promise.all(backends.map((backend) => backend.close()));
      remove();
    });
    const url = `http://127.0.0.1:${port}/`;
    await until(
      () => `nginx to start: ${program.output()}`,
      async () => ((await fetch(`${url}.kvdeploy`).catch(() => undefined))?.ok ? true : undefined),
    );
    expect((await load(url, { count: 20 })).byBuild).toEqual({ [GUIDS[0] ?? '']: 20 });
    const { kind, ...settings } = parse(config).tenants.acme.environments.production.services['kv-gateway'].router;
    expect(kind).toBe(nginx.kind);
    const ofPage = nginx.config.parse(settings) as NginxConfig;
    const [test, reload, dump] = [ofPage.test, ofPage.reload, ofPage.dump].map(([first = '', ...rest]) => [
      first,
      '-c',
      file,
      '-p',
      folder,
      ...rest,
    ]);
    const wanted = { ...ofPage, test, reload, dump } as NginxConfig;
    expect(await nginx.identify(wanted, nodeIo)).toEqual(['production']);
    const refused = await nginx.read(wanted, nodeIo).catch((error: { readonly hint: string }) => error.hint);
    const [, command = ''] = /; all traffic to blue: (.*?); all traffic/.exec(String(refused)) ?? [];
    execFileSync('sh', ['-c', command]);
    expect(execFileSync('/usr/sbin/nginx', ['-c', file, '-p', folder, '-s', 'reload'], { stdio: 'pipe' }).toString()).toBe('');
    await until('what kvdeploy printed serves', async () => {
      const found = await nginx.read(wanted, nodeIo).catch(() => undefined);
      return found?.trouble.length === 0 ? true : undefined;
    });
    const split = [
      { place: 'blue', build: null, percent: 75 },
      { place: 'green', build: null, percent: 25 },
    ];
    for (const change of changesOf(nginx, wanted, split, { leaving: 'at-once' })) await make(change, nodeIo, () => undefined);
    const reading = await until('the new split', async () => {
      const found = await nginx.read(wanted, nodeIo).catch(() => undefined);
      return found?.places.some(({ percent }) => percent === 25) ? found : undefined;
    });
    expect(reading).toMatchObject({ trouble: [] });
    expect(reading.unusable).toBeUndefined();
  });

  it('a config of the page without root has the programs that the page names', () => {
    expect(page).toContain('[/usr/bin/sudo, -n, /usr/sbin/nginx, -t]');
    const [, , config = ''] = blocks;
    const { kind: _kind, ...settings } = parse(config).tenants.acme.environments.production.services['kv-gateway'].router;
    const parsed = nginx.config.safeParse({ ...settings, test: ['/usr/bin/sudo', '-n', '/usr/sbin/nginx', '-t'] });
    expect(parsed.success).toBe(true);
  });
});
