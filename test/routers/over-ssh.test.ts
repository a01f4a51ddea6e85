/** The router contract with every location at another host, over a real sshd, within the machine file of that host. */
import { elsewhereBy } from '../../src/base/at/at-ssh.ts';
import type { SshWay } from '../../src/base/at/at-way.ts';
import { nodeIo } from '../../src/io.ts';
import { mayMount } from '../crash/mounts.ts';
import { type OtherHost, startOtherHost } from '../servers/sshd.ts';
import { startFileWorld } from './command/file-world.ts';
import { type RouterUnderTest, routerContract } from './contract.ts';
import { startHaproxySubject } from './haproxy/haproxy-world.ts';
import { startNginxSubject } from './nginx/nginx-world.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'web' };

/** The same subject, with its one location at `host`. */
function atHost<Config>(subject: RouterUnderTest<Config>, host: OtherHost, allowance: object): RouterUnderTest<Config> {
  host.allow({ targets: { 'acme/production/web': allowance } });
  const hosts: Readonly<Record<string, SshWay>> = { n2: host.way };
  return {
    ...subject,
    config: { ...subject.config, locations: hosts },
    io: { ...nodeIo, elsewhere: elsewhereBy(hosts, SCOPE, 'rollout') },
    close: async () => {
      await subject.close();
      await host.close();
    },
  };
}

if (mayMount('another host')) {
  routerContract('nginx over SSH', async () => {
    const [subject, host] = await Promise.all([startNginxSubject(), startOtherHost()]);
    const { include, log, pid, probe, test, reload, dump } = subject.config;
    return atHost(subject, host, { files: [include, log, pid], checks: [probe], programs: [test, reload, dump] });
  });

  routerContract('HAProxy over SSH', async () => {
    const [subject, host] = await Promise.all([startHaproxySubject(), startOtherHost()]);
    const { sockets, serverStateFile } = subject.config;
    return atHost(subject, host, { sockets, files: serverStateFile });
  });

  routerContract('command over SSH', async () => {
    const [subject, host] = await Promise.all([startFileWorld(), startOtherHost()]);
    const { read, set, identify } = subject.config;
    return atHost(subject, host, { programs: [read, set, identify] });
  });
}
