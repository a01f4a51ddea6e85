/** A real moto server on loopback for tests: AWS's answers for load balancers, which route nothing. Between it and the CLI a proxy can misbehave. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort, PYTHON_BIN, startProgram, tempFolder, until } from './program.ts';

const FORK = join(import.meta.dirname, 'aws-fork.py');

const REGION = 'eu-west-1';

/** What AWS says to one call instead of what it would have said; `null`: nothing, ever. */
export type Instead = { readonly status: number; readonly body: string } | null;

export interface Moto {
  /** A PATH on which `aws` is the real CLI, started anew for each call. */
  readonly path: string;
  /** A PATH on which `aws` is the same code in a process that is forked for each call: five times as quick. */
  readonly quickPath: string;
  /** A HOME with keys that AWS would not take, and the address of this server. */
  readonly home: string;
  /** The secret of those keys: it must be nowhere else. */
  readonly secret: string;
  /** The names of all calls since the last time. */
  calls(): readonly string[];
  /** What each call is answered from now on; undefined: as moto does. */
  answer(how: (action: string) => Instead | undefined): void;
  /** One call to moto itself, past the proxy; resolves with the XML. */
  ask(service: string, action: string, parameters: Readonly<Record<string, string>>): Promise<string>;
  close(): Promise<void>;
}

const refusal = (status: number, code: string, message: string): Instead => ({
  status,
  body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
});

export const THROTTLED = refusal(400, 'Throttling', 'Rate exceeded');
/** What a sign-in that ended leaves. */
export const EXPIRED = refusal(403, 'ExpiredToken', 'The security token included in the request is expired');
export const NO_GROUP = refusal(400, 'TargetGroupNotFound', 'One or more target groups not found');

export async function startMoto(): Promise<Moto> {
  const { folder, remove } = tempFolder();
  const port = await freePort();
  const moto = await startProgram('moto_server', ['-H', '127.0.0.1', '-p', String(port)], folder);
  const fork = await startProgram(join(PYTHON_BIN, 'python'), [FORK, 'serve', join(folder, 'fork')], folder);
  let calls: string[] = [];
  let instead: (action: string) => Instead | undefined = () => undefined;
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.once('end', () => {
      const body = Buffer.concat(parts);
      const action = new URLSearchParams(body.toString()).get('Action') ?? '';
      calls.push(action);
      const told = instead(action);
      if (told === undefined) return pass(incoming, body, response, port);
      if (told !== null) response.writeHead(told.status, { 'content-type': 'text/xml' }).end(told.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const secret = `secret-${crypto.randomUUID()}`;
  const home = join(folder, 'home');
  mkdirSync(join(home, '.aws'), { recursive: true });
  writeFileSync(
    join(home, '.aws/config'),
    `[default]\nendpoint_url = http://127.0.0.1:${(server.address() as AddressInfo).port}\n`,
  );
  writeFileSync(join(home, '.aws/credentials'), `[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = ${secret}\n`, {
    mode: 0o600,
  });
  const quick = join(folder, 'quick');
  mkdirSync(quick);
  const written = await startProgram(
    join(PYTHON_BIN, 'python'),
    [FORK, 'write', join(folder, 'fork'), join(quick, 'aws')],
    folder,
  );
  await until('the quick aws', () => (written.exited() ? true : undefined), 30_000);
  const asked: Moto['ask'] = async (service, action, parameters) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/${REGION}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: new URLSearchParams({
        Action: action,
        Version: service === 'ec2' ? '2016-11-15' : '2015-12-01',
        ...parameters,
      }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`moto answers ${response.status} to ${action}: ${text.slice(0, 500)}`);
    return text;
  };
  await until(
    () => `moto did not start: ${moto.output()} ${fork.output()}`,
    () => {
      if (moto.exited() || fork.exited()) throw new Error(`it ended: ${moto.output()} ${fork.output()}`);
      return asked('elasticloadbalancing', 'DescribeLoadBalancers', {}).then(
        () => (fork.output().includes('ready') ? true : undefined),
        () => undefined,
      );
    },
    60_000,
  );
  const usual = process.env['PATH'] ?? '';
  return {
    path: `${PYTHON_BIN}:${usual}`,
    quickPath: `${quick}:${usual}`,
    home,
    secret,
    calls: () => {
      const all = calls;
      calls = [];
      return all;
    },
    answer: (how) => {
      instead = how;
    },
    ask: asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([moto.signal('SIGKILL'), fork.signal('SIGKILL')]);
      remove();
    },
  };
}

function pass({ method, headers, url }: IncomingMessage, body: Buffer, response: ServerResponse, port: number): void {
  const onward = ask({ host: '127.0.0.1', port, path: url, method, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  onward.end(body);
}
