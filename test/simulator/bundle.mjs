/** Bundles a program of the tests into one file that node runs without a loader, with or without a change to the source it is made of. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** CommonJS packages inside the bundle call `require`. */
const banner = "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/**
 * What the simulator alone does to the code: a line of the ledger, or a pointer's text, that was parsed and verified once, by the real
 * code, is not parsed again when the next process reads the very same bytes. Everything else of a reading (the chain, hashes, torn
 * tails, names, scopes) stays as it is. And temporary names are counted, not random, so that a simulation is the same every time.
 */
const DOUBLES = [
  {
    file: 'src/base/durable/durable-file.ts',
    from: "${randomBytes(6).toString('hex')}`);\n}",
    to: "${(made += 1).toString(16).padStart(12, '0')}`);\n}\nlet made = 0;",
  },
  {
    file: 'src/base/pointer/pointer-format.ts',
    from: 'export function decodePointer(encoded: string): Pointer {',
    to: `const decoded = new Map<string, Pointer>();
export function decodePointer(encoded: string): Pointer {
  const known = decoded.get(encoded);
  if (known !== undefined) return known;
  if (decoded.size > 500) decoded.clear();
  const pointer = decodeAnew(encoded);
  decoded.set(encoded, pointer);
  return pointer;
}
function decodeAnew(encoded: string): Pointer {`,
  },
  {
    file: 'src/core/ledger/ledger.ts',
    from: "const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });",
    to: `const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lines = new Map<string, Entry>();
function remember(text: string, entry: Entry): Entry {
  if (lines.size > 5000) lines.clear();
  lines.set(text, entry);
  return entry;
}
function safely(text: string) {
  const data = lines.get(text);
  if (data !== undefined) return { success: true, data, error: undefined } as const;
  const value: unknown = JSON.parse(text);
  const parsed = entrySchema.safeParse(value);
  if (parsed.success && JSON.stringify(value) === text) remember(text, parsed.data);
  return parsed;
}`,
  },
  {
    file: 'src/core/ledger/ledger.ts',
    from: 'const readBack = entrySchema.safeParse(JSON.parse(text));',
    to: 'const readBack = safely(text);',
  },
  {
    file: 'src/core/ledger/ledger.ts',
    from: `    const value: unknown = JSON.parse(text);
    const parsed = entrySchema.safeParse(value);
    return parsed.success && digestsHold(raw, parsed.data, value) && JSON.stringify(value) === text`,
    to: `    const known = lines.get(text);
    if (known !== undefined) return known;
    const value: unknown = JSON.parse(text);
    const parsed = entrySchema.safeParse(value);
    return parsed.success && digestsHold(raw, parsed.data, value) && JSON.stringify(value) === text && remember(text, parsed.data)`,
  },
];

/** The simulator as a program, of the code with these mutations. */
export function bundleSimulator(outfile, mutations = []) {
  return bundle('test/simulator/program.ts', outfile, [...DOUBLES, ...mutations]);
}

/**
 * Writes the bundle of `entry` (below the repository's root) to `outfile`. Each mutation `{ file, from, to }` is made in the text of
 * that source before it is compiled; throws unless `from` stands there exactly once, so that no mutation outlives what it was made for.
 */
export async function bundle(entry, outfile, mutations = []) {
  const texts = new Map();
  for (const { file, from, to } of mutations) {
    const path = join(root, file);
    const text = texts.get(path) ?? readFileSync(path, 'utf8');
    const times = text.split(from).length - 1;
    if (times !== 1) throw new Error(`${file} has ${times} times, not once: ${from}`);
    texts.set(
      path,
      text.replace(from, () => to),
    );
  }
  const mutate = {
    name: 'mutate',
    setup(options) {
      options.onLoad({ filter: /\.ts$/ }, ({ path }) =>
        texts.has(path) ? { contents: texts.get(path), loader: 'ts' } : undefined,
      );
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    define: { KVDEPLOY_VERSION: '"simulated"' },
    banner: { js: banner },
    logLevel: 'warning',
    plugins: [mutate],
  });
}
