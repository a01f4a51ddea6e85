import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync, renameSync, symlinkSync, realpathSync } from 'node:fs';
import { afterEach, describe, it } from 'vitest';
import { BUILDS, type NginxSite, openNginxSite, SURE } from './nginx-scene.ts';

const out = (name: string, text: unknown) => appendFileSync('/tmp/ng/out.txt', `==== ${name}\n${typeof text === 'string' ? text : JSON.stringify(text, null, 1)}\n`);
const promote = ['promote', '--build', BUILDS.green.guid, ...SURE];
describe('x', () => {
  let site: NginxSite | undefined;
  afterEach(async () => { await site?.close(); });
  async function adopted() {
    site = await openNginxSite();
    const clients = site.clients(100);
    const { exitCode, stderr } = await site.run(['adopt', ...SURE]);
    if (exitCode !== 0) out('adopt', stderr);
    return { ...site, clients };
  }
  it('A master dead', { timeout: 200000 }, async () => {
    const { run, nginx, clients } = await adopted();
    out('A doctor before', await run(['doctor', '--env', 'production']));
    await nginx.killMaster();
    out('A doctor', await run(['doctor', '--env', 'production']));
    out('A status', await run(['status', '--env', 'production']));
    out('A bg', await run(['rollback', '--break-glass', ...SURE, '--reason', 'a drill behind nginx']));
    await clients.end();
  });
  it('C busy port', { timeout: 200000 }, async () => {
    const { run, nginx, clients } = await adopted();
    const conf = readFileSync(nginx.file, 'utf8');
    const port = new URL(nginx.url).port;
    const busy = (await import('node:net')).createServer().listen(0, '127.0.0.1');
    await new Promise((r) => busy.once('listening', r));
    writeFileSync(nginx.file, conf.replace('http {', `http {\n server { listen 127.0.0.1:${(busy.address() as {port: number}).port}; }`));
    out('C promote', await run(promote));
    out('C status', await run(['status', '--env', 'production']));
    out('C bg', await run(['rollback', '--break-glass', ...SURE, '--reason', 'a drill behind nginx']));
    busy.close();
    await clients.end();
    void port;
  });
  it('G broken conf elsewhere', { timeout: 200000 }, async () => {
    const { run, nginx, clients } = await adopted();
    const conf = readFileSync(nginx.file, 'utf8');
    writeFileSync(nginx.file, conf.replace('http {', 'http {\n nonsense on;'));
    out('G doctor', await run(['doctor', '--env', 'production']));
    out('G plan', await run(['plan', '--env', 'production', '--build', BUILDS.green.guid]));
    out('G promote', await run(promote));
    out('G include', readFileSync(nginx.config.include, 'utf8'));
    await clients.end();
  });
  it('F symlink and full disk', { timeout: 200000 }, async () => {
    const { run, nginx, clients } = await adopted();
    const inc = nginx.config.include;
    renameSync(inc, `${nginx.folder}/real.conf`);
    symlinkSync(`${nginx.folder}/real.conf`, inc);
    out('F doctor', await run(['doctor', '--env', 'production']));
    out('F plan', await run(['plan', '--env', 'production', '--build', BUILDS.green.guid]));
    out('F promote', await run(promote));
    out('F ls', execFileSync('ls', ['-la', `${nginx.folder}/kvdeploy`]).toString() + readFileSync(`${nginx.folder}/real.conf`, 'utf8'));
    await clients.end();
  });
});
