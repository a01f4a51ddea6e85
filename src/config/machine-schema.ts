/** The machine file for editors, in the words of zod; a test holds it against the reader, which imports only node. Must not read anything. */
import * as z from 'zod';

const account = z.union([z.int().min(0), z.string().min(1)]).describe('an account: its name in /etc/passwd, or its number');
const argv = z.array(z.string()).min(1).describe('a program with all of its arguments; only exactly this counts');
const path = z.string().startsWith('/');

const target = z.strictObject({
  files: z.array(path).optional().describe('files that are written; a saveTo is one of them'),
  sockets: z.array(z.string()).optional().describe('UNIX sockets, or host:port'),
  programs: z.array(argv).optional(),
  checks: z.array(z.url()).optional().describe('URLs that are read, without a secret'),
  requests: z
    .array(
      z.strictObject({
        method: z.enum(['GET', 'PUT', 'POST', 'PATCH', 'DELETE']),
        url: z.url(),
        secret: z.string().optional().describe('the one secret that may go there'),
        ca: path.optional().describe('the CA that it is sent with, if it names one'),
        cert: path.optional(),
        key: path.optional(),
        serverName: z.string().optional(),
      }),
    )
    .optional(),
});

export const machineSchema = z
  .strictObject({
    stateOwners: z.array(account).optional().describe('besides root and this user, whose state is believed'),
    configOwners: z.array(account).optional().describe('whose config and checkout are read'),
    programs: z.array(argv).optional().describe('programs that run without being asked for: of a config, and of a pointer'),
    targets: z.record(z.string(), target).optional().describe('per tenant/environment/service, what a change may touch'),
    allowedSigners: path.optional(),
    unsigned: z.array(z.string()).optional(),
    drill: z.strictObject({ warnDays: z.int().optional(), refuseDays: z.int().optional() }).optional(),
  })
  .meta({ title: 'kvdeploy machine file', description: 'What this machine believes and allows: /etc/kvdeploy/machine.json.' });
