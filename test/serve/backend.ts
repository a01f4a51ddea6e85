/** A build on loopback for tests: answers with its GUID, counts requests and connections, misbehaves when told to. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

export interface Backend {
  readonly guid: string;
  readonly address: string;
  requests(): number;
  connections(): number;
  /** How it treats requests for another protocol from now on; by default it echoes. */
  onUpgrade(treat: Upgrading): void;
  close(): Promise<void>;
}

export type Upgrading = (request: IncomingMessage, socket: Duplex) => void;

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

export async function startBackend(
  guid: string,
  answer: Answering = (_request, response) => response.end('ok'),
  atPort = 0,
): Promise<Backend> {
  let requests = 0;
  let connections = 0;
  const server = createServer((request, response) => {
    requests += 1;
    response.setHeader('x-build-guid', guid);
    answer(request, response);
  });
  server.on('connection', () => {
    connections += 1;
  });
  let treat: Upgrading = (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n');
    socket.pipe(socket);
  };
  server.on('upgrade', (request, socket) => treat(request, socket));
  await new Promise<void>((resolve) => server.listen(atPort, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    guid,
    address: `http://127.0.0.1:${port}`,
    requests: () => requests,
    connections: () => connections,
    onUpgrade: (how) => {
      treat = how;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
