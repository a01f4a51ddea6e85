/** How HAProxy itself reaches a server: what it reports, and what haproxy.cfg says where that can be read. Must not ask anything. */
import { join } from 'node:path';
import type { Ask } from '../router.ts';
import type { Server } from './haproxy-answer.ts';
import type { Global, Line } from './haproxy-lines.ts';

/** As haproxy.cfg says it. */
export interface WrittenWay {
  readonly line: Line;
  readonly global: Global;
  /** The folder that HAProxy was started in, for paths that do not start with a slash; null where it is not known. */
  readonly folder: string | null;
}

/** The way to one server; `written` is undefined where haproxy.cfg is not known. */
export function askOf(server: Server, written: WrittenWay | undefined): Ask {
  const unixSocket = server.isUnix && written !== undefined ? unixPath(written) : undefined;
  const { words } = written?.line ?? {};
  return {
    // A socket has no address; its scheme is still what a request needs.
    address: server.address ?? (unixSocket !== undefined && server.usesTls ? 'https://localhost' : null),
    ...(unixSocket === undefined ? {} : { unixSocket }),
    ...(words?.proxyProtocol === undefined ? {} : { proxyProtocol: words.proxyProtocol }),
    ...(server.usesTls && written !== undefined ? trustOf(written) : {}),
  };
}

/** `/run/a.sock` and `unix@/run/a.sock`; not an abstract one (`abns@`), nor one that is made of variables. */
function unixPath({ line, global, folder }: WrittenWay): string | undefined {
  const path = line.address.replace(/^unix@/, '');
  if (!plain(path) || /^[a-z0-9]+@/.test(path) || !(path.startsWith('/') || line.address.startsWith('unix@'))) return undefined;
  if (!path.startsWith('/') && folder === null) return undefined;
  return join(global.chroot ?? (path.startsWith('/') ? '/' : (folder ?? '')), path);
}

function trustOf({ line: { words }, global, folder }: WrittenWay): Pick<Ask, 'serverName' | 'ca' | 'insecure'> {
  const name = words.verifyhost ?? /^str\(([^()]+)\)$/.exec(words.sni ?? '')?.[1];
  const { caFile } = words;
  const base = global.caBase ?? folder;
  const isFile = caFile !== undefined && plain(caFile) && (caFile.startsWith('/') || (base !== null && !caFile.startsWith('@')));
  return {
    ...((words.verify ?? global.verify) === 'none' ? { insecure: true as const } : {}),
    ...(name === undefined || !plain(name) ? {} : { serverName: name }),
    ...(isFile ? { ca: caFile.startsWith('/') ? caFile : join(base ?? '', caFile) } : {}),
  };
}

/** Not quoted, and not made of variables. */
const plain = (text: string) => text !== '' && !/["'$\\]/.test(text);
