/** How people set HAProxy up in ways that kvdeploy cannot work with: each is recognised, and named with its cure. Must not ask anything itself. */
import { dirname } from 'node:path';
import type { Unusable } from '../../base/unusable.ts';
import type { Io } from '../../io.ts';
import type { Location, Server } from './haproxy-answer.ts';
import type { HaproxyConfig } from './haproxy-config.ts';

/** The `balance` setting of the router's config. */
export type Balance = HaproxyConfig['balance'];

// `random` is "unknown" in the statistics of 2.6. Every other algorithm accepts only the configured weight or 0.
const SPLITTING = ['roundrobin', 'leastconn', 'random', 'unknown'];

/** Not `__proto__`: JavaScript would set a prototype, and the member would be missing from the reading. */
const NAME = /^(?!__proto__$)[A-Za-z0-9_.:-]{1,256}$/;

/** One HAProxy, and those of its servers that belong to a place or take traffic. */
interface Judged {
  readonly socket: string;
  readonly location: Location;
  readonly members: readonly { readonly server: Server }[];
}

/** Why this HAProxy cannot be used, or undefined. */
export function unusableBecause(
  { socket, location, members }: Judged,
  { balance, agentCheck }: Pick<HaproxyConfig, 'balance' | 'agentCheck'>,
): Unusable | undefined {
  const { level, algorithm } = location;
  const servers = members.map(({ server }) => server);
  if (level !== 'admin')
    return { why: `${socket} has level ${level}, which may look and not change anything`, cure: adminCure(socket) };
  const odd = servers.find(({ name }) => !NAME.test(name));
  if (odd !== undefined)
    return {
      why: `${socket} has a server whose name cannot be written into a command safely`,
      cure: 'Give every server of the backend a name of letters, digits, `_`, `.`, `:` and `-`, and reload HAProxy.',
    };
  const backup = location.servers.find((server) => server.backup);
  if (backup !== undefined)
    return {
      why: `${backup.name} is a backup server: HAProxy sends traffic to it by itself when the others are down`,
      cure: `Remove the word \`backup\` from the line \`server ${backup.name} …\` in haproxy.cfg, or move the server to another backend, and reload HAProxy. \`disabled\` there keeps it without traffic.`,
    };
  if (balance === 'dynamic' && !SPLITTING.includes(algorithm) && algorithm !== 'first')
    return {
      why: `\`balance ${algorithm}\` supports only 0 % and 100 % at run time`,
      cure: "Write `balance roundrobin` in the backend, or set `balance: static` in the router's config and use the single step 100 %.",
    };
  const agent = servers.find(({ hasAgent }) => hasAgent);
  if (balance === 'dynamic' && agent !== undefined && agentCheck === undefined)
    return {
      why: `${agent.name} has \`agent-check\`: its agent may set its weight at any moment, over the one that makes the split`,
      cure: `Remove \`agent-check\` from \`server ${agent.name} …\` (and from default-server) in haproxy.cfg; or, if no agent ever reports a weight, say so in the router's config: agentCheck: upDown`,
    };
  const silent = servers.find((server) => server.configuredWeight === 0);
  if (balance === 'static' && silent !== undefined)
    return {
      why: `${silent.name} has weight 0 in haproxy.cfg, so it could never serve`,
      cure: `Give \`server ${silent.name} …\` the same weight as the others, and \`disabled\` if it must not serve at start.`,
    };
  return undefined;
}

/** Why no shift could be saved to one of these files, or undefined. */
export function unsavable(files: readonly string[], { fs }: Io): Unusable | undefined {
  for (const file of files) {
    if (!fs.existsSync(dirname(file)))
      return {
        why: `the folder of serverStateFile ${file} does not exist, so no shift could be saved`,
        cure: `Make it, writable by the user of kvdeploy and readable by HAProxy: mkdir -p ${dirname(file)}`,
      };
    if (fs.existsSync(file) && fs.statSync(file).isDirectory())
      return {
        why: `serverStateFile ${file} is a folder, so no shift could be saved`,
        cure: `Name the file: serverStateFile: ${file}/state, with \`server-state-file ${file}/state\` and \`load-server-state-from-file global\` in haproxy.cfg.`,
      };
  }
  return undefined;
}

/** The line of a socket that may change weights and states. */
export function adminCure(socket: string): string {
  const line = socket.startsWith('/') ? `stats socket ${socket} mode 660 level admin` : `stats socket ipv4@${socket} level admin`;
  return `Write \`${line}\` in the section \`global\` of haproxy.cfg, and reload HAProxy.`;
}

/** The master socket knows processes, and no backend. */
export function masterCure(): string {
  return 'Name the socket of a `stats socket … level admin` line in haproxy.cfg instead, such as `stats socket /run/haproxy/admin.sock mode 660 level admin`; the socket after -S belongs to the master process.';
}
