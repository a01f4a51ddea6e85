/** A UNIX socket in front of HAProxy's own: it counts who connects, keeps every line, and can hold one back on its way. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import net from 'node:net';

/** A line that the client has sent and HAProxy has not seen. */
export interface HeldLine {
  readonly text: string;
  /** Lets HAProxy have it, and resolves when HAProxy has answered; the client still hears nothing. */
  deliver(): Promise<void>;
  /** Lets HAProxy have it, and the client the answer. */
  pass(): Promise<void>;
}

export interface TappedSocket {
  readonly path: string;
  connections(): number;
  /** Lines that reached HAProxy, in order. */
  lines(): readonly string[];
  /** Holds the next line that matches, for ever unless it is delivered. */
  hold(pattern: RegExp): Promise<HeldLine>;
  close(): Promise<void>;
}

export function tapSocket(real: string): TappedSocket {
  const path = `${real}.tap`;
  const seen = { connections: 0, lines: [] as string[] };
  let trap: { readonly pattern: RegExp; readonly caught: (line: HeldLine) => void } | undefined;
  const clients = new Set<net.Socket>();

  const deliver = async (text: string) => {
    seen.lines.push(text.trim());
    return ask(real, text);
  };
  const server = net.createServer({ allowHalfOpen: true }, async (client) => {
    seen.connections += 1;
    clients.add(client);
    client.on('error', () => {}).on('close', () => clients.delete(client));
    const text = await lineOf(client);
    if (text === undefined) return void client.end();
    const { caught } = trap?.pattern.test(text) === true ? trap : {};
    if (caught !== undefined) {
      trap = undefined;
      return caught({
        text: text.trim(),
        deliver: async () => void (await deliver(text)),
        pass: async () => void client.end(await deliver(text)),
      });
    }
    client.end(await deliver(text).catch(() => ''));
  });
  server.listen(path);
  return {
    path,
    connections: () => seen.connections,
    lines: () => seen.lines,
    hold: (pattern) =>
      new Promise((resolve) => {
        trap = { pattern, caught: resolve };
      }),
    async close() {
      for (const client of clients) client.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
      rmSync(path, { force: true });
    },
  };
}

/** The first line; undefined when the client goes away without one. */
function lineOf(client: net.Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    client.on('data', (data) => {
      text += data;
      if (text.includes('\n')) resolve(text);
    });
    client.once('end', () => resolve(undefined));
    client.once('close', () => resolve(undefined));
  });
}

function ask(socket: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const upstream = net.connect(socket, () => upstream.end(text));
    upstream.on('data', (data) => {
      answer += data;
    });
    upstream.once('error', reject).once('close', () => resolve(answer));
  });
}
