/** Changes in words: a line for people, and a shell command that makes the same change by hand. Must not run anything. */
import { createHash } from 'node:crypto';
import { firstOf, printing, safeLine, shellWord } from '../text.ts';
import type { Change, Request, Run, Socket } from './change.ts';
import { secretOf } from './prepare.ts';

/** One line that says what the change does, and at which location. */
export function describe(change: Change): string {
  return `${change.at === undefined ? '' : `${safeLine(change.at)}: `}${deedOf(change)}`;
}

function deedOf(change: Change): string {
  switch (change.kind) {
    case 'write-file':
      return safeLine(`write ${change.path} ${contentText(change.content)}`);
    case 'request':
      return safeLine(`${change.method} ${change.url}${change.body === undefined ? '' : ` ${short(change.body)}`}`);
    case 'run':
      return safeLine(`run ${change.argv.map(shellWord).join(' ')}${inputText(change.stdin)}`);
    case 'socket':
      return safeLine(
        `send to ${change.address}: ${firstOf(change.commands).join('; ')}${change.saveTo === undefined ? '' : `, save the answer to ${change.saveTo}`}`,
      );
  }
}

/** One line is shown in full; several lines, which no one could compare by eye, as size and the beginning of their SHA-256. */
function contentText(content: string): string {
  const bytes = `${Buffer.byteLength(content)} bytes`;
  if (!content.trim().includes('\n')) return `(${bytes}): ${short(content.trim())}`;
  return `(${bytes}, SHA-256 ${createHash('sha256').update(content).digest('hex').slice(0, 12)})`;
}

function inputText(stdin: string | undefined): string {
  return stdin === undefined ? '' : ` with the input ${contentText(stdin)}`;
}

/** What a person can paste into a shell to make the same change, at the location that its first line names. Secrets stay variables and out of every argv. */
export function asCommand(change: Change): string {
  return `${change.at === undefined ? '' : `# at ${safeLine(change.at)}:\n`}${commandOf(change)}`;
}

function commandOf(change: Change): string {
  switch (change.kind) {
    case 'write-file':
      return `${printing(change.content)} ${intoFile(change.path)}`;
    case 'request':
      return requestCommand(change);
    case 'run':
      return runCommand(change);
    case 'socket':
      return socketCommand(change);
  }
}

function intoFile(path: string): string {
  const fresh = shellWord(`${path}.new`);
  return `> ${fresh} && sync ${fresh} && mv ${fresh} ${shellWord(path)} && sync`;
}

function runCommand({ argv, stdin }: Run): string {
  const words = argv.map(shellWord).join(' ');
  return stdin === undefined ? words : `${printing(stdin)} | ${words}`;
}

function requestCommand(change: Request): string {
  const seconds = Math.max(1, Math.ceil(change.timeoutMs / 1000));
  const words = [`curl --fail-with-body --silent --show-error --max-time ${seconds} --request ${change.method}`];
  for (const [name, value] of Object.entries(change.headers ?? {})) words.push('--header', shellWord(`${name}: ${value}`));
  if (change.body !== undefined) words.push(...contentType(change), '--data-raw', shellWord(change.body));
  for (const [option, file] of [
    ['cacert', change.ca],
    ['cert', change.cert],
    ['key', change.key],
  ])
    if (file !== undefined) words.push(`--${option}`, shellWord(file));
  const url = namedUrl(change, words);
  const secret = secretOf(change);
  if (secret === undefined) return [...words, shellWord(url)].join(' ');
  const value = secret.scheme === undefined ? '%s' : `${secret.scheme} %s`;
  const header = `printf 'header = "${headerText(secret.header)}: ${value}"\\n' "$${secret.name}"`;
  return `${header} | ${[...words, '--config', '-', shellWord(url)].join(' ')}`;
}

/** curl verifies the URL's host, so the URL names the server and the connection goes to the host. */
function namedUrl({ url, serverName }: Request, words: string[]): string {
  if (serverName === undefined || !URL.canParse(url)) return url;
  const { hostname, host, port, protocol, pathname, search } = new URL(url);
  if (protocol !== 'https:') return url;
  words.push('--connect-to', shellWord(`::${hostname}:${port || 443}`), '--header', shellWord(`host: ${host}`));
  return `https://${serverName}${port === '' ? '' : `:${port}`}${pathname}${search}`;
}

function headerText(name: string): string {
  return name === 'authorization' ? 'Authorization' : name;
}

/** Without a content type curl declares a form; the change declares none. */
function contentType({ headers }: Request): string[] {
  const given = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'content-type');
  return given ? [] : ['--header', "'content-type:'"];
}

function socketCommand(change: Socket): string {
  const to = change.address.startsWith('/') ? `UNIX-CONNECT:${change.address}` : `TCP:${change.address}`;
  const say = `printf '%s\\n' ${shellWord(change.commands.join('; '))} | socat -t 2 stdio ${shellWord(to)}`;
  return change.saveTo === undefined ? say : `${say} ${intoFile(change.saveTo)}`;
}

function short(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
