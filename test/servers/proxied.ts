/** A server that takes no connection without a PROXY header, with a reader of its own (HAProxy, doc/proxy-protocol.txt). */
import { createServer as createWeb, type RequestListener } from 'node:http';
import { createServer as createSecureWeb, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface Proxied {
  readonly port: number;
  /** What each header said, in the form of version 1; or why it was refused. */
  readonly said: string[];
  close(): Promise<void>;
}

/** Reads a header, then hands the connection on to a web server; `secure`: key and certificate of TLS after the header. */
export async function proxied(answer: RequestListener, secure?: ServerOptions, where?: string): Promise<Proxied> {
  const web = secure === undefined ? createWeb(answer) : createSecureWeb(secure, answer);
  const said: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    let bytes = Buffer.alloc(0);
    const take = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const read = headerOf(bytes);
      if (read === undefined) return;
      socket.off('data', take);
      socket.pause();
      said.push(read.text);
      if (read.rest.length > 0) socket.unshift(read.rest);
      web.emit('connection', socket);
      // TLS reads from the connection below the socket.
      if (secure === undefined) socket.resume();
    };
    socket.on('data', take);
    socket.on('error', () => {});
  });
  await new Promise<void>((listening) =>
    where === undefined ? server.listen(0, '127.0.0.1', listening) : server.listen(where, listening),
  );
  const address = server.address();
  return {
    port: typeof address === 'string' ? 0 : ((address as AddressInfo).port ?? 0),
    said,
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

interface Header {
  readonly text: string;
  readonly rest: Buffer;
}

/** undefined until it is whole. */
function headerOf(bytes: Buffer): Header | undefined {
  const signature = '\r\n\r\n\0\r\nQUIT\n';
  if (bytes.subarray(0, 12).toString('latin1') !== signature) {
    const end = bytes.indexOf('\r\n');
    if (end > 0) return { text: bytes.subarray(0, end).toString('latin1'), rest: bytes.subarray(end + 2) };
    return bytes.length > 107 ? { text: `no header: ${bytes.toString('latin1', 0, 20)}`, rest: Buffer.alloc(0) } : undefined;
  }
  const length = bytes.length < 16 ? Number.POSITIVE_INFINITY : bytes.readUInt16BE(14);
  if (bytes.length < 16 + length) return undefined;
  const block = bytes.subarray(16, 16 + length);
  const rest = bytes.subarray(16 + length);
  const command = `${(bytes[12] ?? 0).toString(16)} ${(bytes[13] ?? 0).toString(16)}`;
  if (command === '20 0') return { text: 'LOCAL', rest };
  const size = command === '21 11' ? 4 : command === '21 21' ? 16 : 0;
  const ip = (at: number) => {
    const part = block.subarray(at, at + size);
    return size === 4 ? [...part].join('.') : (part.toString('hex').match(/.{4}/g) ?? []).join(':');
  };
  const text = `v2 ${command} ${ip(0)} ${ip(size)} ${block.readUInt16BE(2 * size)} ${block.readUInt16BE(2 * size + 2)}`;
  return { text, rest };
}
