/**
 * The questions to the members of a place: by what the router says of the way to them, and what the config says in its place. The pointer holds
 * the very same ones. Pure; must not decide anything.
 */
import type { Asked, Told } from '../../base/changes/change.ts';
import type { Where } from '../../base/changes/hear.ts';
import { picked } from '../../base/shape.ts';
import type { IdentityConfig } from '../../core/identity.ts';
import type { MemberAt } from '../../routers/places.ts';
import type { Ask } from '../../routers/router.ts';

const TIMEOUT_MS = 2000;

/** One question, for every location that leads to the same member in the same way. */
export interface Question {
  /** Whom it asks, for people: its address, its name where the place has several members, and the locations where there are several. */
  readonly at: string;
  /** The same by the key of each. */
  readonly of: readonly string[];
  /** Its name, with the locations where there are several; absent where the place has one member, or its name is its address. */
  readonly name?: string;
  /** The router reports it down at all of them. */
  readonly isDown: boolean;
  /** What the router calls whoever answers. */
  readonly members: readonly string[];
  /** The only one of several locations that leads there. */
  readonly location?: string;
  /** Why it cannot be asked, or what is sent. */
  readonly asked: Asked | Told | { readonly why: string };
}

/** The questions of one place. `several`: the router has several locations, which are then named. */
export function questionsAt(identity: IdentityConfig, members: readonly MemberAt[], several: boolean): readonly Question[] {
  const groups = new Map<string, { readonly asked: Question['asked']; readonly own: MemberAt[] }>();
  for (const one of members) {
    const asked = questionTo(identity, one);
    const key = JSON.stringify(asked);
    const group = groups.get(key) ?? { asked, own: [] };
    group.own.push(one);
    groups.set(key, group);
  }
  const isAlone = new Set(members.map(({ member }) => member.name)).size === 1;
  return [...groups.values()].map(({ asked, own }) => {
    const locations = several ? [...new Set(own.map(({ location }) => location))] : [];
    const names = [...new Set(own.map(({ member }) => member.name))];
    const only = locations.length === 1 && locations[0] !== undefined ? { location: locations[0] } : {};
    const of = locations.length === 0 ? '' : ` of ${locations.join(' and ')}`;
    const { name, where } = whoAndWhere(own);
    const isPlain = isAlone || name === undefined;
    const who = isPlain ? { at: `${where}${of}` } : { at: `${name}, ${where}${of}`, name: `${name}${of}` };
    const shared = 'why' in asked ? undefined : sharedBy(own);
    const isDown = own.every(({ member }) => !member.up);
    return { ...who, of: own.map(({ key }) => key), isDown, members: names, ...only, asked: shared ?? asked };
  });
}

/** One answer is that of one process: why it cannot stand for all of these members, which would be asked at one address. */
function sharedBy(members: readonly MemberAt[]): { readonly why: string } | undefined {
  const processes = new Set(members.map((one) => `${machineOf(one)} ${whereOf(one.member.ask)}`));
  if (processes.size === 1) return undefined;
  const names = members.map(({ member, location }) => `${member.name} (${whereOf(member.ask)} of ${location})`);
  return { why: `${[...new Set(names)].join(' and ')} have one address to be asked at, so only one of them would answer` };
}

/** The machine that its traffic goes to. A loopback address that a HAProxy on another host reports is that host's. */
function machineOf({ location, member: { ask } }: MemberAt): string {
  const host = ask.address !== null && URL.canParse(ask.address) ? new URL(ask.address).hostname : '';
  if (!isLoopback(host)) return host;
  const router = /^\[?([^/\]]+?)\]?:\d+$/.exec(location)?.[1] ?? 'localhost';
  return isLoopback(router) ? host : router;
}

const isLoopback = (host: string) => /^(?:localhost|127\.[\d.]+|\[?::1\]?)$/.test(host);

/** The address, and the names where it does not have them already. */
function whoAndWhere(members: readonly MemberAt[]): { readonly where: string; readonly name?: string } {
  const name = [...new Set(members.map(({ member }) => member.name))].join(' and ');
  const where = members.map(({ member }) => whereOf(member.ask))[0] ?? name;
  return name === where || name === hostIn(where) ? { where } : { where, name };
}

/** A member may have its host and port for a name. */
const hostIn = (where: string) => (URL.canParse(where) ? new URL(where).host : undefined);

const whereOf = ({ address, unixSocket }: Ask) => unixSocket ?? address?.replace(/\/+$/, '');

function questionTo(identity: IdentityConfig, { member }: MemberAt): Question['asked'] {
  const { name, place, ask } = member;
  if (identity.program !== undefined) {
    const told = JSON.stringify({ address: ask.address, unixSocket: ask.unixSocket ?? null, member: name, place });
    return {
      kind: 'run',
      argv: identity.program,
      stdin: `${told}\n`,
      ...jsonOf(identity),
      timeoutMs: TIMEOUT_MS,
      ...picked(ask, 'at'),
    };
  }
  const unixSocket = identity.unixSocket ?? (identity.port === undefined ? ask.unixSocket : undefined);
  const origin = originOf(identity, ask, unixSocket);
  if (typeof origin !== 'string') return { why: `the router reports no address for ${name}: ${origin.why}` };
  return {
    kind: 'http',
    url: `${origin}${identity.path}`,
    ...wayTo(identity, ask, origin, unixSocket),
    ...saidWhere(identity),
    timeoutMs: TIMEOUT_MS,
    ...picked(ask, 'at'),
  };
}

/** Scheme, host and port. On a UNIX socket the host is only a name. */
function originOf(identity: IdentityConfig, { address }: Ask, unixSocket: string | undefined): string | { readonly why: string } {
  if (unixSocket !== undefined) return `${identity.scheme ?? schemeOf(address) ?? 'http'}://localhost`;
  if (address === null)
    return {
      why: 'it has no resolved name, one that only the router knows, or its program lists no members; give identity: unixSocket or program, or list members',
    };
  if (!URL.canParse(address)) return { why: `${address} is not a URL` };
  const url = new URL(address);
  const scheme = identity.scheme ?? url.protocol.slice(0, -1);
  // A port that is usual for one scheme is not for the other.
  const port = identity.port ?? Number(url.port || usualPort(url.protocol.slice(0, -1)));
  return `${scheme}://${url.hostname}${port === usualPort(scheme) ? '' : `:${port}`}`;
}

const usualPort = (scheme: string) => (scheme === 'https' ? 443 : 80);

const schemeOf = (address: string | null) =>
  address !== null && URL.canParse(address) ? new URL(address).protocol.slice(0, -1) : undefined;

/** What the config says counts; else how the router itself reaches the member, but for the PROXY protocol of a port that is not asked. */
function wayTo(identity: IdentityConfig, ask: Ask, origin: string, unixSocket: string | undefined) {
  const host = identity.host ?? ask.host;
  const version = identity.proxyProtocol === undefined ? undefined : identity.proxyProtocol === 'v1' ? 1 : 2;
  const proxyProtocol =
    version ?? (identity.port === undefined && identity.unixSocket === undefined ? ask.proxyProtocol : undefined);
  return {
    ...(host === undefined ? {} : { host }),
    ...(unixSocket === undefined ? {} : { unixSocket }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    ...(origin.startsWith('https:') ? trustIn(identity, ask) : {}),
  } as const;
}

/** Where nothing is verified the name is still sent: a server may choose by it what answers. */
function trustIn({ ca, serverName, verify }: IdentityConfig, ask: Ask) {
  const name = serverName ?? ask.serverName;
  const named = name === undefined ? {} : { serverName: name };
  const isOwn = ca !== undefined || serverName !== undefined;
  if (verify === 'none' || (ask.insecure === true && !isOwn)) return { ...named, insecure: true } as const;
  const file = ca ?? ask.ca;
  return { ...named, ...(file === undefined ? {} : { ca: file }) };
}

function saidWhere({ header, ...rest }: IdentityConfig): Where {
  return header === undefined ? jsonOf(rest) : { header };
}

function jsonOf({ json }: Pick<IdentityConfig, 'json'>): Pick<Where, 'json'> {
  return json === undefined ? {} : { json: json.split('.') };
}

/** Where a member says its environment; undefined where it is not asked for it. */
export function environmentWhere({ environmentHeader, environmentJson }: IdentityConfig): Where | undefined {
  if (environmentHeader !== undefined) return { header: environmentHeader };
  return environmentJson === undefined ? undefined : { json: environmentJson.split('.') };
}

/** How a member is asked, for people: `http://10.0.0.1:9002/healthz, PROXY protocol v2`. */
export function wayText(asked: Question['asked']): string {
  if ('why' in asked) return asked.why;
  const from = asked.at === undefined ? [] : [`asked from ${asked.at}`];
  if (asked.kind === 'run') return [asked.argv.join(' '), ...from].join(', ');
  const { url, unixSocket, host, serverName, ca, insecure, proxyProtocol } = asked;
  return [
    url,
    ...(unixSocket === undefined ? [] : [`socket ${unixSocket}`]),
    ...(host === undefined ? [] : [`Host ${host}`]),
    ...(serverName === undefined ? [] : [`TLS name ${serverName}`]),
    ...(ca === undefined ? [] : [`CA ${ca}`]),
    ...(insecure === true ? ['TLS NOT VERIFIED'] : []),
    ...(proxyProtocol === undefined ? [] : [`PROXY protocol v${proxyProtocol}`]),
    ...from,
  ].join(', ');
}
