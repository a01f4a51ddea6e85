/** Writes a manifest that commands edit. Must write nothing that `validate` would refuse, and lose no row of another process. */
import { dirname } from 'node:path';
import { makeFolders, replaceFile, sweepTemporaries } from '../../base/durable/durable-file.ts';
import { look } from '../../base/durable/open-file.ts';
import { canonical } from '../../base/shape.ts';
import { checkFiles } from '../../config/check-files.ts';
import type { ManifestText, Row } from '../../config/edit/rows.ts';
import { readBytes, shownPath } from '../../config/files.ts';
import { manifestIn, placeBelow } from '../../config/manifests.ts';
import { findingWithoutText } from '../../config/parse/source.ts';
import { isEmpty, strictParse } from '../../config/parse/strict-parse.ts';
import { checkText, MAX_BYTES } from '../../config/parse/text-check.ts';
import { type Finding, KvdeployError } from '../../core/errors.ts';
import { findingsExitCode } from '../../core/manifest/finding.ts';
import type { Build, ListedBuild } from '../../core/manifest/manifest.ts';
import type { Deps } from '../deps.ts';
import type { Listing } from './open-listing.ts';
import { takeTurn } from './turn.ts';

/** What a manifest has before it is edited. */
export interface Before {
  /** Its text and nodes; null for a file that is missing, or has comments only. */
  readonly manifest: ManifestText | null;
  /** All of the text, comments only where `manifest` is null. */
  readonly text: string;
  readonly json: boolean;
  readonly builds: readonly ListedBuild[];
}

/** What an edit makes of it. */
export interface Edited<T> {
  readonly result: T;
  /** Null: there is nothing to write. */
  readonly text: string | null;
  /** The rows that the new text must have. */
  readonly builds: readonly (Build | Row)[];
}

/**
 * Edits the manifest in this process's turn: what it becomes is judged, then replaced durably. `edit` throws to refuse; then, and where it
 * changes nothing, there is no turn and nothing is written. Throws MANIFEST_INVALID or MANIFESTS_DISAGREE for what `validate` would refuse,
 * BUSY where the file changes meanwhile, SYSTEM_ERROR where it cannot be written.
 */
export async function rewrite<T>(listing: Listing, edit: (before: Before) => Edited<T>, deps: Deps): Promise<T> {
  const { file } = listing;
  const { fs } = deps.io;
  const seen = editedNow(listing, edit, deps);
  const isHome = fs.existsSync(dirname(file));
  // Nothing is made for an edit that is refused, not even a folder.
  if (seen.text === null || !isHome) await judge(listing, seen, deps);
  if (seen.text === null) return seen.result;
  let leave = () => {};
  try {
    mustTakeWrites(file, fs);
    // As git makes them: whoever may read the checkout may read them.
    makeFolders(dirname(file), fs, 0o777);
    leave = await takeTurn(file, deps.io);
    sweepTemporaries(dirname(file), deps.io.now(), fs);
    const { bytes } = bytesOf(listing, fs);
    const edited = Buffer.from(bytes).equals(seen.bytes) ? seen : editedNow(listing, edit, deps);
    const warnings = await judge(listing, edited, deps);
    if (edited.text !== null) replaceFile(file, edited.text, fs, { permit: () => mustStillBe(listing, edited.bytes, deps) });
    for (const message of warnings) deps.line({ type: 'note', level: 'warning', message });
    return edited.result;
  } catch (error) {
    throw error instanceof KvdeployError ? error : unwritten(listing, error);
  } finally {
    leave();
  }
}

/** A file is replaced, which needs no permission to write to it; but whoever made it read-only wants it left alone. */
function mustTakeWrites(file: string, fs: Deps['io']['fs']): void {
  const stat = look(file, fs);
  if (stat === undefined) return;
  // Root may write to every file, so for root the mode decides.
  if ((stat.mode & 0o222) === 0) throw new Error('it is read-only');
  fs.accessSync(file, fs.constants.W_OK);
}

function unwritten({ shown }: Listing, cause: unknown): KvdeployError {
  return new KvdeployError('SYSTEM_ERROR', {
    message: `${shown} could not be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
    hint: 'Check the permissions of the file and its folder, and the disk; then run the same command again.',
    cause,
  });
}

/** An editor, or git, may write at any time, and takes no turn. */
function mustStillBe(listing: Listing, bytes: Uint8Array, { io }: Deps): void {
  const { shown } = listing;
  const { bytes: now } = bytesOf(listing, io.fs);
  if (Buffer.from(bytes).equals(now)) return;
  throw new KvdeployError('BUSY', {
    message: `${shown} was changed by another program just now; nothing was written.`,
    hint: 'Run the same command again.',
  });
}

interface EditedNow<T> extends Edited<T> {
  /** What was read. */
  readonly bytes: Uint8Array;
}

function editedNow<T>(listing: Listing, edit: (before: Before) => Edited<T>, deps: Deps): EditedNow<T> {
  const { bytes } = bytesOf(listing, deps.io.fs);
  return { ...edit(beforeOf(listing, bytes)), bytes };
}

/** Throws what `validate` would say of the manifest as it becomes; returns what is only a warning. */
async function judge({ file, config }: Listing, edited: EditedNow<unknown>, deps: Deps): Promise<readonly string[]> {
  const bytes = edited.text === null ? edited.bytes : Buffer.from(edited.text);
  const { findings, becoming } = await checkFiles({ files: [], config: deps.globals.config, becomes: { file, bytes } }, deps);
  const isMissing = (finding: Finding) => finding.code === 'SCOPE_UNSEEN' && finding.file === shownPath(deps.cwd, config.file);
  refuse(findings.filter((finding) => !isMissing(finding)));
  mustHave(becoming?.manifest.builds, edited.builds);
  return findings.filter(isMissing).map(({ message }) => `${message} Nothing was compared with it.`);
}

/** The bytes of the file; none where it is missing. Throws MANIFEST_INVALID for anything but a regular file: a link is not followed. */
function bytesOf({ file, shown }: Listing, fs: Deps['io']['fs']): { readonly bytes: Uint8Array } {
  const read = readBytes(fs, file, { followSymlink: false, maxBytes: MAX_BYTES });
  if ('bytes' in read) return read;
  if (read.trouble.code === 'MANIFEST_MISSING') return { bytes: new Uint8Array() };
  throw refusal([findingWithoutText(shown, read.trouble)]);
}

function beforeOf({ file, shown, config }: Listing, bytes: Uint8Array): Before {
  const json = file.toLowerCase().endsWith('.json');
  const { source, findings } = checkText(shown, bytes);
  refuse(findings);
  const text = source?.text ?? '';
  if (isEmpty(text)) return { manifest: null, text, json, builds: [] };
  const { document, findings: unparsed } = strictParse(shown, bytes);
  refuse(unparsed);
  if (document === undefined) throw new Error(`${shown} has neither a value nor a finding`);
  const { manifest } = manifestIn(document, bytes, placeBelow(config.manifestsDir, file));
  return { manifest: { text, root: document.root, json }, text, json, builds: manifest?.builds ?? [] };
}

function refuse(findings: readonly Finding[]): void {
  if (findings.length > 0) throw refusal(findings);
}

function refusal(findings: readonly Finding[]): KvdeployError {
  const [first] = findings;
  const code = findingsExitCode(findings) === 2 ? 'MANIFEST_INVALID' : 'MANIFESTS_DISAGREE';
  return new KvdeployError(code, {
    message: `Nothing was written, because validate would refuse it: ${first?.message}`,
    hint: first?.fix ?? 'kvdeploy validate',
    places: findings.slice(0, 1).flatMap(({ file, line, column, related }) => [{ file, line, column }, ...(related ?? [])]),
    findings: findings.slice(1),
  });
}

/** A slip in an edit would list another build than it says. */
function mustHave(found: readonly Build[] | undefined, wanted: readonly (Build | Row)[]): void {
  if (found === undefined || canonical(found) !== canonical(wanted))
    throw new Error('the edited manifest would not have the rows that it should');
}
