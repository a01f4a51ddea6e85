/** The shape of the machine file: strict JSON, every key known. No I/O. */
import { NAME } from '../scope.ts';
import { list, mapOf, oneOf, type Reader, type Shaped, shape, text, whole } from '../shape.ts';

/** An account by its name in /etc/passwd, or by its number. */
const account: Reader<string | number> = (value, at) =>
  typeof value === 'number' ? whole(0, 2 ** 32 - 2)(value, at) : text(256, /^[A-Za-z_][^\s:/]*$/)(value, at);

const accounts = list(account, 256);

const path = text(4096, /^\/[^\0]*$/);

const argv = list(text(8192, /^[^\0]*$/), 256, 1);

const url = text(2048, /^https?:\/\/[\x21-\x7e]+$/);

const secret = text(128, /^[A-Za-z_][A-Za-z0-9_]*$/);

const serverName = text(253, /^[A-Za-z0-9._:-]+$/);

/** `ca`, `cert`, `key` and `serverName` decide who gets the secret, so a request that has them is another one without them. */
const request = shape(
  { method: oneOf('GET', 'PUT', 'POST', 'PATCH', 'DELETE'), url },
  { secret, ca: path, cert: path, key: path, serverName },
);

const targetFields = {
  files: list(path, 1024),
  sockets: list(text(512, /^(?:\/[^\0\r\n]+|[^\s/]+:\d{1,5})$/), 256),
  programs: list(argv, 256),
  checks: list(url, 1024),
  requests: list(request, 256),
};

/** What a change of one scope may touch. Exact matches only. */
export type Allowance = Partial<Shaped<typeof targetFields>>;

const machineFields = {
  stateOwners: accounts,
  configOwners: accounts,
  programs: list(argv, 1024),
  targets: mapOf(shape({}, targetFields), 1024),
  allowedSigners: path,
  unsigned: list(text(200), 1024),
  drill: shape({}, { warnDays: whole(1, 3650), refuseDays: whole(1, 3650) }),
};

const reader = shape({}, machineFields);

/** What a machine says of itself. Everything may be absent. */
export type Machine = ReturnType<typeof reader>;

/** Reads the text of a machine file. Throws an Error that says where it is wrong, and why. */
export function parseMachine(content: string): Machine {
  let said: unknown;
  try {
    said = JSON.parse(content);
  } catch (error) {
    throw new Error(`it is not JSON: ${(error as Error).message}`);
  }
  const twice = repeatedKey(content);
  if (twice !== undefined) throw new Error(`line ${twice.line}: the key ${JSON.stringify(twice.key)} stands there twice`);
  const machine = reader(said, 'machine');
  for (const name of Object.keys(machine.targets ?? {})) {
    const parts = name.split('/');
    if (parts.length !== 3 || !parts.every((part) => NAME.test(part)))
      throw new Error(`machine.targets: ${JSON.stringify(name)} is not tenant/environment/service`);
  }
  return machine;
}

/** The first key that an object of this JSON text has twice: JSON.parse takes the last one without a word. */
export function repeatedKey(json: string): { readonly key: string; readonly line: number } | undefined {
  const open: Set<string>[] = [];
  for (const found of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    const [token, quoted, colon] = found;
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (quoted !== undefined && colon !== undefined) {
      const key = JSON.parse(quoted) as string;
      const keys = open.at(-1);
      if (keys?.has(key) === true) return { key, line: json.slice(0, found.index).split('\n').length };
      keys?.add(key);
    }
  }
  return undefined;
}
