/** The README's walk-through, run block by block in an empty folder as a newcomer would. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../servers/program.ts';
import { block, root, Walk } from './walk.ts';

describe('the walk-through of the README', () => {
  const walk = new Walk();
  beforeAll(() => walk.begin());
  afterAll(() => walk.end());

  it('the README promotes, rolls back, breaks the glass, reconciles', { timeout: 120_000 }, async () => {
    walk.run('run: start');
    await walk.answers('http://127.0.0.1:8080/');
    await walk.answers('http://127.0.0.1:9002/');
    expect(walk.run('run: promote')).toContain('hello from 22222222-2222-4222-8222-222222222222');
    expect(walk.run('run: rollback')).toContain('22222222');
    const [guid = ''] = /^[0-9a-f-]{36}$/m.exec(walk.run('run: add')) ?? [];
    expect(walk.shell('kvdeploy builds --env production')).toContain(`${guid.slice(0, 8)}  1.2.0`);
    expect(walk.run('run: break-glass')).toContain('rolled back to build 11111111');
    expect(walk.run('run: reconcile')).toContain('hold is lifted');
    expect(walk.ask('http://127.0.0.1:8080/')).toContain('hello from 11111111');
  });
});

describe('the CI recipe of the README', () => {
  const walk = new Walk();
  beforeAll(() => walk.begin((text) => text.replaceAll('bake: 3s', 'bake: 1s')));
  afterAll(() => walk.end());

  /** A real sshd on loopback for this one user and one key; `ssh` on the PATH knows it as deploy-host. */
  async function startSshd(): Promise<void> {
    const port = await freePort();
    const at = (name: string) => join(walk.home, name);
    for (const key of ['host', 'user']) walk.shell(`ssh-keygen -q -t ed25519 -N '' -f "${at(key)}"`);
    walk.shell(`cp "${at('user.pub')}" "${at('authorized')}"; mkdir -p /run/sshd 2>/dev/null || true`);
    const set = Object.entries(walk.env).map(([name, value]) => `${name}="${value}"`);
    writeFileSync(
      at('sshd_config'),
      `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${at('host')}\nAuthorizedKeysFile ${at('authorized')}\nPidFile ${at('sshd.pid')}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv ${set.join(' ')}\n`,
    );
    writeFileSync(
      at('ssh_config'),
      `Host deploy-host\n  HostName 127.0.0.1\n  Port ${port}\n  IdentityFile ${at('user')}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile ${at('known')}\n  LogLevel ERROR\n`,
    );
    walk.program('ssh', `exec /usr/bin/ssh -F "${at('ssh_config')}" "$@"`);
    // It says who it is only after it went to the background.
    walk.shell(
      `/usr/sbin/sshd -f "${at('sshd_config')}" -E "${at('sshd.log')}"; timeout 30 sh -c 'until [ -s "$0" ]; do sleep 0.05; done' "${at('sshd.pid')}"; cat "${at('sshd.pid')}" >> "${at('pids')}"`,
    );
  }

  it('the CI recipe of the README promotes over SSH where the state lies', { timeout: 120_000 }, async () => {
    walk.run('run: start');
    await walk.answers('http://127.0.0.1:8080/');
    walk.shell('kvdeploy adopt --env production --confirm production');
    walk.shell(`git init -q --bare "${walk.home}/origin.git"; git init -q -b main; git config user.email a@example.com; git config user.name a
git add kvdeploy.config.yaml releases; git commit -qm "Release"; git remote add origin "${walk.home}/origin.git"; git push -qu origin main`);
    await startSshd();
    const recipe = block('ci').replace('/srv/gateway', walk.folder);
    const printed = walk.shell(recipe, { DEPLOY_HOST: 'deploy-host', BUILD: '22222222' });
    expect(printed).toContain('and is the known-good build');
    expect(walk.ask('http://127.0.0.1:8080/')).toContain('hello from 22222222');
  });
});

describe('the texts of the README', () => {
  it('the README shows the refusal of a foreign build as the demo prints it', () => {
    const demo = spawnSync(process.execPath, [join(root, 'bin/kvdeploy.js'), 'demo', 'wrong-env'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(demo.status, demo.stdout + demo.stderr).toBe(0);
    expect(`${demo.stdout}${demo.stderr}`).toContain(block('output: foreign').trimEnd());
  });
});
