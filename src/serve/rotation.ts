/** Whose turn it is: places by their shares, members of a place one after the other. Must never give a place's share to another place. */
import { connect } from 'node:net';
import type { LocalMember } from '../routers/local/local-config.ts';
import { hundredths } from '../routers/local/local-routes.ts';

/** How long a member stays out of rotation at least, and how often it is tried afterwards. */
const OUT_MS = 2000;

const CONNECT_MS = 1000;

/**
 * Returns a function that gives the place of each next request. Any run of n requests is within about one request per
 * place of the exact shares, and the places alternate instead of coming in bursts (smooth weighted round-robin, as in nginx's
 * upstream balancing). Not random, so that small traffic fits the split too. A place at 0 % never comes. The weights are
 * hundredths of a percent.
 */
export function rotation(split: readonly { place: string; percent: number }[]): () => string {
  const entries = split
    .filter(({ percent }) => percent > 0)
    .map(({ place, percent }) => ({ place, weight: hundredths(percent), current: 0 }));
  const total = entries.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    let [best] = entries;
    if (best === undefined) throw new Error('a split without a place');
    for (const entry of entries) {
      entry.current += entry.weight;
      if (entry.current > best.current) best = entry;
    }
    best.current -= total;
    return best.place;
  };
}

/** The members of all places, with those that are out of rotation. */
export class Members {
  readonly #places = new Map<string, { readonly members: LocalMember[]; turn: number }>();
  readonly #out = new Map<LocalMember, NodeJS.Timeout>();
  readonly #tell: (line: string) => void;

  /** `tell` hears one line when a member goes out of rotation, and one when it is back. */
  constructor(members: readonly LocalMember[], tell: (line: string) => void) {
    this.#tell = tell;
    for (const member of members) {
      const place = this.#places.get(member.place) ?? { members: [], turn: 0 };
      place.members.push(member);
      this.#places.set(member.place, place);
    }
  }

  /** The next member of a place among those that are up. Where none is, all are tried in turn: what fails there is the place's own. */
  next(name: string): LocalMember | undefined {
    const place = this.#places.get(name);
    if (place === undefined) return undefined;
    const { members } = place;
    const isOut = members.every((member) => !this.isUp(member));
    for (let tried = 0; tried < members.length; tried += 1) {
      const member = members[place.turn % members.length];
      place.turn = (place.turn + 1) % members.length;
      if (member !== undefined && (isOut || this.isUp(member))) return member;
    }
    return undefined;
  }

  isUp(member: LocalMember): boolean {
    return !this.#out.has(member);
  }

  /** It refused or reset a connection: out of rotation for two seconds, and then until it accepts one. */
  failed(member: LocalMember, why: string): void {
    if (this.isUp(member)) this.#tell(`${nameOf(member)} is out of rotation: ${why}`);
    this.#tryLater(member);
  }

  /** It answered a request, with whatever status. */
  answered(member: LocalMember): void {
    const timer = this.#out.get(member);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#out.delete(member);
    this.#tell(`${nameOf(member)} is in rotation again`);
  }

  stop(): void {
    for (const timer of this.#out.values()) clearTimeout(timer);
    this.#out.clear();
  }

  #tryLater(member: LocalMember): void {
    clearTimeout(this.#out.get(member));
    const timer = setTimeout(async () => {
      const accepts = await acceptsConnections(member.url);
      // Meanwhile it may have answered, or failed again.
      if (this.#out.get(member) !== timer) return;
      if (accepts) this.answered(member);
      else this.#tryLater(member);
    }, OUT_MS);
    this.#out.set(member, timer.unref());
  }
}

/** `127.0.0.1:9001 of blue`, or `blue`. */
function nameOf({ name, place }: LocalMember): string {
  return name === place ? place : `${name} of ${place}`;
}

function acceptsConnections(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || '80'), timeout: CONNECT_MS });
    const end = (accepts: boolean) => {
      socket.destroy();
      resolve(accepts);
    };
    socket
      .once('connect', () => end(true))
      .once('timeout', () => end(false))
      .once('error', () => end(false));
  });
}
