/**
 * Asks another host over SSH. The argv is fixed: no config of the user's, no agent, no prompt, known host keys only, and one connection that is kept.
 * Must never take a connection that was lost for an answer, and must send nothing that `allowed` refuses.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type Allowed, type Deed, type Done, type Elsewhere, permit } from '../changes/change.ts';
import { childEnvironment, endGroup } from '../changes/run-program.ts';
import type { Scope } from '../scope.ts';
import { safeLine } from '../text.ts';
import { parseReply, readDone } from './at-answers.ts';
import { AT_FORMAT, linesInto, type Order, type Reply } from './at-format.ts';
import { sshTrouble } from './at-trouble.ts';
import { type SshWay, sshArgv } from './at-way.ts';

/** To connect, and to start the program there. */
const CONNECT_MS = 8000;

/** How long a look waits for a connection. */
const LOOK_MS = 3000;

/** For an answer to come back, beyond what the deed itself may take. */
const GRACE_MS = 3000;

/** A change that has not begun by then is not made any more: it must be over, or never be, when it is given up. */
const BEGIN_WITHIN_MS = 2000;

/** After a connection failed, looks do not try again for so long: every one of them would start an ssh. */
const AGAIN_MS = 1000;

type Whose = Pick<Order, 'scope' | 'at' | 'by'>;

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (why: Error) => void;
}

/** One host, asked one thing after another or several at once, over one connection. */
export class SshHost {
  readonly #way: SshWay;
  readonly #waiting = new Map<number, Waiting>();
  #child: ChildProcessWithoutNullStreams | undefined;
  #greeted: Promise<void> | undefined;
  #failed: { readonly why: string; readonly atMs: number } | undefined;
  #next = 0;
  /** How far its clock is ahead of this one, by its last reply: never more than it really is. */
  #aheadMs = 0;

  constructor(way: SshWay) {
    this.#way = way;
  }

  /**
   * What that host did. Rejects with the reason where it did not, where that is unknown, or where a hold lies there; with NotAllowed where `allowed`
   * stops it. `allowed` is called right before the order is sent.
   */
  async ask<D extends Deed>(deed: D, whose: Whose, allowed: Allowed = () => undefined): Promise<Done[D['do']]> {
    const { at } = whose;
    const child = await this.#within(deed, whose);
    permit(allowed);
    const reply = await this.#exchanged(child, this.#order(deed, whose), GRACE_MS + timeOf(deed));
    if ('held' in reply) throw new Error(`${at} is held: ${reply.held}`);
    if ('failed' in reply) throw new Error(`${at}: ${reply.failed}`);
    if ('refused' in reply) throw new Error(`${at}: ${reply.refused}; add to /etc/kvdeploy/machine.json there: ${reply.fix}`);
    try {
      return readDone(deed, reply.done);
    } catch (error) {
      throw new Error(`${at} answered nonsense${unknownIf(deed)}: ${(error as Error).message}`);
    }
  }

  /** Who only looks comes again: one host that is cut off must not keep what the others show. It goes on connecting meanwhile. */
  #within(deed: Deed, whose: Whose): Promise<ChildProcessWithoutNullStreams> {
    if (deed.do === 'make') return this.#connected(whose);
    if (this.#failed !== undefined && performance.now() - this.#failed.atMs < AGAIN_MS)
      return Promise.reject(new Error(`${whose.at}: ${this.#failed.why}`));
    return within(this.#connected(whose), LOOK_MS, `${whose.at} cannot be reached within ${LOOK_MS} ms`);
  }

  #exchanged(child: ChildProcessWithoutNullStreams, order: Order, withinMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      // What comes later belongs to no one, and the connection may be dead.
      const timer = setTimeout(() => this.#lose(child, `it did not answer within ${withinMs} ms`), withinMs);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(order.id);
        act();
      };
      this.#waiting.set(order.id, {
        resolve: (reply) => settle(() => resolve(reply)),
        reject: (why) => settle(() => reject(new Error(`${order.at}: ${why.message}${unknownIf(order.deed)}`))),
      });
      child.stdin.write(`${JSON.stringify(order)}\n`);
    });
  }

  #order(deed: Deed, whose: Whose): Order {
    const id = this.#next;
    this.#next += 1;
    const untilMs = Math.max(0, Math.floor(performance.now() + this.#aheadMs + BEGIN_WITHIN_MS));
    return { formatVersion: AT_FORMAT, id, ...whose, ...(deed.do === 'make' ? { untilMs } : {}), deed };
  }

  /** The connection, once the program at its other end has answered: from then on an order is on its way as soon as it is written. */
  async #connected(whose: Whose): Promise<ChildProcessWithoutNullStreams> {
    if (this.#child !== undefined && this.#greeted !== undefined) {
      await this.#greeted;
      return this.#child ?? this.#connected(whose);
    }
    const child = this.#start();
    this.#greeted = this.#exchanged(child, this.#order({ do: 'hello' }, whose), CONNECT_MS).then((reply) => {
      if ('done' in reply) {
        this.#failed = undefined;
        return;
      }
      const why = 'failed' in reply ? reply.failed : 'it does not answer as kvdeploy';
      // It may be another program by the next time.
      this.#lose(child, why);
      throw new Error(`${whose.at}: ${why}`);
    });
    await this.#greeted;
    return child;
  }

  #start(): ChildProcessWithoutNullStreams {
    const [program = '', ...args] = sshArgv(this.#way);
    const child = spawn(program, args, { detached: true, env: childEnvironment(process.env), stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    let said = '';
    const split = linesInto((line) => this.#take(child, line));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      try {
        split(text);
      } catch (error) {
        this.#lose(child, `it sent ${(error as Error).message}`);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-2000);
    });
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.#lose(child, `ssh cannot be run (install the OpenSSH client): ${error.message}`));
    child.on('close', () => this.#lose(child, `the connection ended${sshTrouble(said, this.#way)}`));
    // A kept connection must not keep the process: whoever waits for an answer has a timer.
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as { unref?: () => void }).unref?.();
    return child;
  }

  #take(child: ChildProcessWithoutNullStreams, line: string): void {
    if (this.#child !== child) return;
    const reply = parseReply(line);
    const waiting = reply === undefined ? undefined : this.#waiting.get(reply.id);
    if (reply === undefined) this.#lose(child, `it does not answer as kvdeploy, but: ${safeLine(line.slice(0, 100))}`);
    else if (waiting === undefined) this.#lose(child, 'failed' in reply ? reply.failed : 'it answered what it was not asked');
    else {
      this.#aheadMs = reply.nowMs - performance.now();
      waiting.resolve(reply);
    }
  }

  /** Everyone who waits is told. The next question connects anew. */
  #lose(child: ChildProcessWithoutNullStreams, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#greeted = undefined;
    this.#failed = { why, atMs: performance.now() };
    endGroup(child);
    // It may go on sending until it ends.
    child.stdout.destroy();
    child.stderr.destroy();
    for (const { reject } of [...this.#waiting.values()]) reject(new Error(why));
  }
}

const unknownIf = ({ do: what }: Deed) => (what === 'make' ? '; it is unknown whether the change was made' : '');

function within<T>(work: Promise<T>, ms: number, late: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(late)), ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

function timeOf(deed: Deed): number {
  switch (deed.do) {
    case 'make':
      return 'timeoutMs' in deed.change ? deed.change.timeoutMs : 0;
    case 'check':
      return ('timeoutMs' in deed.check ? deed.check.timeoutMs : 0) + ('settleMs' in deed.check ? (deed.check.settleMs ?? 0) : 0);
    case 'question':
      return deed.question.timeoutMs;
    case 'hear':
      return deed.asked.timeoutMs;
    case 'socket':
    case 'run':
      return deed.timeoutMs;
    case 'hello':
    case 'may':
    case 'read':
    case 'log':
    case 'workers':
      return 0;
  }
}

/** Every host that this process has a connection to, by how it is reached. */
const hosts = new Map<string, SshHost>();

/** The other hosts of a target: `elsewhere` of an Outside. `ways`: by location; locations that are here are not in it. */
export function elsewhereBy(
  ways: Readonly<Record<string, SshWay>>,
  scope: Scope,
  by: Order['by'],
): (at: string) => Elsewhere | undefined {
  return (at) => {
    const way = Object.hasOwn(ways, at) ? ways[at] : undefined;
    if (way === undefined) return undefined;
    const key = sshArgv(way).join(' ');
    const host = hosts.get(key) ?? new SshHost(way);
    hosts.set(key, host);
    return { ask: (deed, allowed) => host.ask(deed, { scope, at, by }, allowed) };
  };
}
