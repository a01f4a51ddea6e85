/** The settings of a HAProxy target in the config. No I/O. */
import * as z from 'zod';
import { SOCKET_PATH_BYTES } from '../../base/text.ts';
import { locationsSchema } from '../locations-config.ts';
import { placesSchema } from './haproxy-places.ts';

/** How long one question or change may take. */
export const TIMEOUT_MS = 2000;

const absolutePath = z.string().regex(/^\/[^\0\r\n]{1,4095}$/u, 'an absolute path');

const socketAddress = z
  .string()
  .regex(/^(?:\/[^\0\r\n]{1,106}|(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4})$/u, 'an absolute path or host:port')
  .refine(
    (address) => !address.startsWith('/') || Buffer.byteLength(address) <= SOCKET_PATH_BYTES,
    'a socket path has at most 107 bytes',
  );

/** Without `kind`; strict. */
export const config = z
  .strictObject({
    sockets: z
      .array(socketAddress)
      .min(1)
      .max(16)
      .refine((sockets) => new Set(sockets).size === sockets.length, 'each socket once')
      .describe(
        'Runtime API of each HAProxy that serves this service (`stats socket … level admin`): a path or host:port; all must agree',
      ),
    locations: locationsSchema,
    backend: z
      .string()
      .regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'the name after `backend` in haproxy.cfg')
      .describe('The backend whose servers run the builds; without `places`, a build’s `ref` is a server name'),
    places: placesSchema.optional(),
    serverStateFile: z
      .union([absolutePath, z.array(absolutePath).min(1).max(16)])
      .optional()
      .describe(
        'The file from which each HAProxy loads its server states (`server-state-file`), one per socket; without it, a reload loses the split',
      ),
    identify: z
      .enum(['description', 'node'])
      .default('description')
      .describe('The field of `show info` that names the environment: description (“gateway environment=production”) or node'),
    balance: z
      .enum(['dynamic', 'static'])
      .default('dynamic')
      .describe('static for static-rr and every hash (source, uri, hdr…): HAProxy then supports only 0 % and 100 %'),
    agentCheck: z
      .literal('upDown')
      .optional()
      .describe(
        'upDown if servers have `agent-check` and their agents report only up and down, never a weight; refused otherwise',
      ),
  })
  .refine(({ sockets, locations }) => locations === undefined || (sockets.length === 1 && sockets[0]?.startsWith('/') === true), {
    path: ['sockets'],
    error: 'with locations, give one path: that of the socket at each of them',
  })
  .refine(({ sockets, serverStateFile }) => stateFilesFit(sockets, serverStateFile), {
    path: ['serverStateFile'],
    error: 'give one file per socket, in the same order, without duplicates',
  });

export type HaproxyConfig = z.infer<typeof config>;

/** One for each socket, or none. */
export function stateFiles(serverStateFile: string | readonly string[] | undefined): readonly string[] {
  if (serverStateFile === undefined) return [];
  return typeof serverStateFile === 'string' ? [serverStateFile] : serverStateFile;
}

function stateFilesFit(sockets: readonly string[], serverStateFile: string | readonly string[] | undefined): boolean {
  const files = stateFiles(serverStateFile);
  return files.length === 0 || (files.length === sockets.length && new Set(files).size === files.length);
}
