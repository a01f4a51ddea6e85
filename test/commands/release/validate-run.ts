/** Runs `validate` in a fresh folder, as the command line would. Must leave nothing behind. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { type ValidateOptions, validate } from '../../../src/commands/release/validate.ts';
import type { Finding } from '../../../src/core/errors.ts';

export const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

export function freshFolder(): string {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'kvdeploy-validate-')));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function put(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
}

/** A good manifest of acme with one build. */
export function manifest(environment: string, guid = GUID, service = 'kv-gateway'): string {
  return `apiVersion: kvdeploy.dev/v1
kind: ReleaseManifest
tenant: acme
environment: ${environment}
service: ${service}
builds:
  - guid: ${guid}
    version: "1"
    digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    sequence: 1
    createdAt: 2026-11-21T09:12:00Z
    ref: green
`;
}

export async function run(cwd: string, options: Partial<ValidateOptions> = {}, stdin: string | Uint8Array = '') {
  const deps = { io: { fs }, cwd, stdin: async () => Buffer.from(stdin) };
  return validate({ files: [], format: 'text', ...options }, deps);
}

/** The findings of a run, from its JSON document. */
export async function findings(cwd: string, options: Partial<ValidateOptions> = {}, stdin: string | Uint8Array = '') {
  const { exitCode, out } = await run(cwd, { ...options, format: 'json' }, stdin);
  return { exitCode, findings: (JSON.parse(out) as { findings: Finding[] }).findings };
}
