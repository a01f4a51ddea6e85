/** Chooses the member of each request, counts what became of it, and reports both. Must count a request that began, however it ends. */
import type { IncomingMessage } from 'node:http';
import type { Scope } from '../base/scope.ts';
import { type LocalMember, type LocalPlaces, membersIn, placeNames } from '../routers/local/local-config.ts';
import type { ServeStatus } from '../routers/local/local-routes.ts';
import { AnswerCounter } from './answer-counter.ts';
import { Members } from './rotation.ts';
import type { Following } from './routes-follower.ts';

/** What is served, and to whom. */
export interface Served extends LocalPlaces {
  readonly scope: Scope;
  /** Absolute path of the routes file. */
  readonly routes: string;
}

/** The member of one request. */
export interface Choice {
  readonly member: LocalMember;
  /** For the header: the build's GUID, or its place. */
  readonly label: string;
}

/** Of the member, and not of this machine: it was not there, or broke off before it answered. */
const MEMBER_FAULTS: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];

export class Dispatch {
  /** How requests ended, by the name of their member. */
  readonly answers = new AnswerCounter();
  readonly #settings: Served;
  readonly #following: Following;
  readonly #members: readonly LocalMember[];
  readonly #rotation: Members;
  readonly #served = new Map<LocalMember, number>();
  readonly #servedByBuild = new Map<string, number>();

  /** `tell` hears of members that go out of rotation, and of their return. */
  constructor(settings: Served, following: Following, tell: (line: string) => void) {
    this.#settings = settings;
    this.#following = following;
    this.#members = membersIn(settings);
    this.#rotation = new Members(this.#members, tell);
  }

  /** Counts when a request begins, so that a place at 0 % gets no count from requests that end late. Undefined without a split. */
  take(): Choice | undefined {
    const place = this.#following.next();
    const member = place === undefined ? undefined : this.#rotation.next(place);
    if (member === undefined) return undefined;
    const build = this.#following.split().find((share) => share.place === place)?.build ?? null;
    this.#served.set(member, this.#servedBy(member) + 1);
    if (build !== null) this.#servedByBuild.set(build, (this.#servedByBuild.get(build) ?? 0) + 1);
    return { member, label: build ?? member.place };
  }

  /** A request got no answer. A client that left is no fault of the member. */
  failed({ member }: Choice, request: IncomingMessage, error: Error): void {
    const code = 'code' in error ? error.code : undefined;
    if (!request.socket.destroyed && MEMBER_FAULTS.includes(code)) this.#rotation.failed(member, error.message);
  }

  answered({ member }: Choice): void {
    this.#rotation.answered(member);
  }

  status(): ServeStatus {
    const following = this.#following;
    following.look();
    const { scope, routes } = this.#settings;
    const byPlace = <T>(of: (members: readonly LocalMember[]) => T) =>
      placeNames(this.#settings).map((place) => [place, of(this.#members.filter((one) => one.place === place))] as const);
    const answered = byPlace((members) => this.answers.counts(members.map(({ name }) => name)));
    return {
      ...{ formatVersion: 1, scope, routes },
      addresses: Object.fromEntries(byPlace((members) => members.map(({ url }) => url).join(', '))),
      members: this.#members.map((member) => ({
        ...member,
        up: this.#rotation.isUp(member),
        served: this.#servedBy(member),
        answered: this.answers.counts([member.name]),
      })),
      applied: following.applied(),
      split: following.split().map((share) => ({ ...share })),
      problem: following.problem(),
      served: Object.fromEntries(byPlace((members) => members.reduce((sum, member) => sum + this.#servedBy(member), 0))),
      servedByBuild: Object.fromEntries(this.#servedByBuild),
      answered: Object.fromEntries(answered.filter(([, counts]) => Object.keys(counts).length > 0)),
    };
  }

  stop(): void {
    this.#following.stop();
    this.#rotation.stop();
  }

  #servedBy(member: LocalMember): number {
    return this.#served.get(member) ?? 0;
  }
}
