/**
 * Asks another host over SSH. The argv is fixed: no config of the user's, no agent, no prompt, known host keys only, and one connection that is kept.
 * Must never take a connection that was lost for an answer, and must send nothing that `allowed` refuses.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type Allowed, type Deed, type Done, type Elsewhere, permit } from '../changes/change.ts';
import { childEnvironment, endGroup } from '../changes/run-program.ts';
import type { Scope } from '../scope.ts';
import { safeLine } from '../text.ts';
import { AT_FORMAT, MOST_LINE_BYTES, type Order, type Reply } from './at-format.ts';
import { type SshWay, sshArgv } from './at-way.ts';

/** To connect, and to start the program there. */
const CONNECT_MS = 8000;

/** How long a look waits for a connection. */
const LOOK_MS = 3000;

/** For an answer to come back, beyond what the deed itself may take. */
const GRACE_MS = 3000;

/** One host, asked one thing after another or several at once, over one connection. */
export class SshHost {
  readonly #way: SshWay;
  readonly #waiting = new Map<number, { readonly resolve: (reply: Reply) => void; readonly reject: (why: Error) => void }>();
  #child: ChildProcessWithoutNullStreams | undefined;
  #greeted: Promise<void> | undefined;
  #next = 0;
  #said = '';

  constructor(way: SshWay) {
    this.#way = way;
  }

  /**
   * What that host did. Rejects with the reason where it did not, where that is unknown, or where a hold lies there; with NotAllowed where `allowed`
   * stops it. `allowed` is called right before the order is sent.
   */
  async ask<D extends Deed>(
    deed: D,
    { scope, at, by }: Pick<Order, 'at' | 'by'> & { readonly scope: Scope },
    allowed: Allowed = () => undefined,
  ): Promise<Done[D['do']]> {
    const order = this.#order(deed, { scope, at, by });
    const connected = this.#connected({ scope, at, by });
    // Who only looks comes again: one host that is cut off must not keep what the others show. It goes on connecting meanwhile.
    const child = await (deed.do === 'make'
      ? connected
      : within(connected, LOOK_MS, `${at} cannot be reached within ${LOOK_MS} ms`));
    permit(allowed);
    const reply = await this.#exchanged(child, order, GRACE_MS + timeOf(deed));
    if ('done' in reply) return reply.done as Done[D['do']];
    if ('held' in reply) throw new Error(`${at} is held: ${safeLine(reply.held)}`);
    if ('failed' in reply) throw new Error(`${at}: ${safeLine(reply.failed)}`);
    throw new Error(`${at}: ${safeLine(reply.refused)}; add to /etc/kvdeploy/machine.json there: ${safeLine(reply.fix)}`);
  }

  close(): void {
    this.#child?.stdin.end();
    if (this.#child !== undefined) endGroup(this.#child);
    this.#child = undefined;
  }

  #exchanged(child: ChildProcessWithoutNullStreams, order: Order, withinMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(order.id);
        // What comes later belongs to no one, and the connection may be dead.
        this.#lose(child, `${order.at} did not answer within ${withinMs} ms; it is unknown whether it did what was asked`);
        reject(new Error(`${order.at} did not answer within ${withinMs} ms; it is unknown whether it did what was asked`));
      }, withinMs);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(order.id);
        act();
      };
      this.#waiting.set(order.id, {
        resolve: (reply) => settle(() => resolve(reply)),
        reject: (why) => settle(() => reject(new Error(`${order.at}: ${why.message}`))),
      });
      child.stdin.write(`${JSON.stringify(order)}\n`);
    });
  }

  #order(deed: Deed, whose: Pick<Order, 'scope' | 'at' | 'by'>): Order {
    const id = this.#next;
    this.#next += 1;
    return { formatVersion: AT_FORMAT, id, ...whose, deed };
  }

  /** The connection, once the program at its other end has answered: from then on an order is on its way as soon as it is written. */
  async #connected(whose: Pick<Order, 'scope' | 'at' | 'by'>): Promise<ChildProcessWithoutNullStreams> {
    if (this.#child !== undefined && this.#greeted !== undefined) {
      await this.#greeted;
      return this.#child ?? this.#connected(whose);
    }
    const child = this.#start();
    this.#greeted = this.#exchanged(child, this.#order({ do: 'hello' }, whose), CONNECT_MS).then((reply) => {
      if ('done' in reply) return;
      const why = 'failed' in reply ? safeLine(reply.failed) : 'it does not answer as kvdeploy';
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
    this.#said = '';
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      rest += text;
      if (rest.length > MOST_LINE_BYTES) this.#lose(child, 'its answer is too long');
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(child, line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-500);
    });
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.#lose(child, `ssh cannot be run: ${error.message}`));
    child.on('close', () =>
      this.#lose(child, `the connection ended${this.#said.trim() === '' ? '' : `: ${safeLine(this.#said.trim())}`}`),
    );
    // A kept connection must not keep the process: whoever waits for an answer has a timer.
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as { unref?: () => void }).unref?.();
    return child;
  }

  #take(child: ChildProcessWithoutNullStreams, line: string): void {
    const reply = replyIn(line);
    if (reply === undefined) this.#lose(child, `it answered something else: ${safeLine(line.slice(0, 100))}`);
    else this.#waiting.get(reply.id)?.resolve(reply);
  }

  /** Everyone who waits is told. The next question connects anew. */
  #lose(child: ChildProcessWithoutNullStreams, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#greeted = undefined;
    endGroup(child);
    for (const { reject } of [...this.#waiting.values()]) reject(new Error(why));
  }
}

function within<T>(work: Promise<T>, ms: number, late: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(late)), ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

function replyIn(line: string): Reply | undefined {
  try {
    const reply = JSON.parse(line) as Reply | null;
    return typeof reply?.id === 'number' ? reply : undefined;
  } catch {
    // A greeting of the host's, or the output of another program.
    return undefined;
  }
}

function timeOf(deed: Deed): number {
  switch (deed.do) {
    case 'make':
      return 'timeoutMs' in deed.change ? deed.change.timeoutMs : 0;
    case 'check':
      return ('timeoutMs' in deed.check ? deed.check.timeoutMs : 0) + ('settleMs' in deed.check ? (deed.check.settleMs ?? 0) : 0);
    case 'question':
      return deed.question.timeoutMs;
    case 'http':
      return deed.asking.timeoutMs;
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
