/** Builds dist/ with esbuild: the command in small chunks, break-glass as one file, and the licences of all bundled packages. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What string-width makes when it is loaded, and needs only for text that is not plain ASCII: it costs more than the rest of a start. */
const MADE_EARLY = [
  [
    'const segmenter = new Intl.Segmenter();',
    'const segmenter = { segment: (text) => (made.segmenter ??= new Intl.Segmenter()).segment(text) };',
  ],
  [
    'const rgiEmojiRegex = /^\\p{RGI_Emoji}$/v;',
    'const rgiEmojiRegex = { test: (text) => (made.emoji ??= /^\\p{RGI_Emoji}$/v).test(text) };',
  ],
];

function madeLater(source) {
  const lost = MADE_EARLY.find(([early]) => !source.includes(early));
  if (lost !== undefined) throw new Error(`string-width no longer has: ${lost[0]}`);
  return MADE_EARLY.reduce((text, [early, late]) => text.replace(early, () => late), `const made = {};\n${source}`);
}

/**
 * Code that kvdeploy never uses. cosmiconfig can load YAML, JSON, JavaScript and TypeScript, but kvdeploy reads configs with its own
 * strict parser and never runs one; where it would look for a config of the user (env-paths), which asks for a home folder
 * while it is loaded, kvdeploy does not look. ora has ninety spinners; kvdeploy draws its own. The prompts have as many
 * symbols; kvdeploy needs the tick. execa has symbols and times for a log that is never enabled. The proxy uses `debug` for loggers that no one reads, and `follow-redirects` only with an option that is not set.
 */
const leftOut = {
  name: 'left-out',
  setup(options) {
    options.onResolve({ filter: /^(debug|pretty-ms|env-paths)$/ }, (found) => ({ path: found.path, namespace: 'silent' }));
    options.onLoad({ filter: /.*/, namespace: 'silent' }, () => ({ contents: 'module.exports = () => () => {};' }));
    options.onResolve({ filter: /^follow-redirects$/ }, (found) => ({ path: found.path, namespace: 'empty' }));
    options.onResolve({ filter: /^(@inquirer\/)?figures$/ }, (found) => ({ path: found.path, namespace: 'unmarked' }));
    options.onLoad({ filter: /.*/, namespace: 'unmarked' }, () => ({
      contents: "export default { tick: '✔', line: '─' };",
    }));
    options.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
    options.onResolve({ filter: /^(js-yaml|typescript|parse-json|import-fresh)$/ }, (found) => ({
      path: found.path,
      namespace: 'left-out',
    }));
    options.onLoad({ filter: /.*/, namespace: 'left-out' }, (found) => ({
      contents: `throw new Error('${found.path} is not part of kvdeploy');`,
    }));
    options.onLoad({ filter: /string-width[/\\]index\.js$/ }, ({ path }) => ({
      contents: madeLater(readFileSync(path, 'utf8')),
    }));
    options.onLoad({ filter: /cli-spinners[/\\]spinners\.json$/ }, () => ({
      contents: '{ "dots": { "interval": 200, "frames": ["."] }, "line": { "interval": 200, "frames": ["-"] } }',
      loader: 'json',
    }));
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  // The same code as ES modules, so that unused parts are omitted. Node itself would load all of the CommonJS form.
  alias: { yaml: join(root, 'node_modules/yaml/browser/dist/index.js') },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  define: { KVDEPLOY_VERSION: JSON.stringify(manifest.version) },
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  plugins: [leftOut],
  write: false,
};

/** commander, cosmiconfig and cross-spawn are CommonJS and call `require`. */
const requireBanner = "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

async function buildCommand() {
  return build({
    ...common,
    entryPoints: { main: 'src/main.ts' },
    outdir: 'dist',
    chunkNames: '[name]-[hash]',
    splitting: true,
    minify: true,
    banner: { js: requireBanner },
  });
}

/** One file, because it is copied next to every pointer and must run from there without any other file. */
async function buildBreakGlass() {
  return build({ ...common, entryPoints: ['src/break-glass/main.ts'], outfile: 'dist/break-glass.mjs', minify: true });
}

/** The folder of the package of a bundled file, or undefined for kvdeploy's own files. */
function packageFolder(input) {
  const at = input.lastIndexOf('node_modules/');
  if (at === -1) return undefined;
  const parts = input.slice(at + 'node_modules/'.length).split('/');
  const name = parts[0].startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
  return `${input.slice(0, at)}node_modules/${name}`;
}

function licenceOf(folder) {
  const described = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const file = readdirSync(join(root, folder)).find((name) => /^licen[cs]e(\.|-|$)/i.test(name));
  if (file === undefined) throw new Error(`${folder} has no licence file, so it cannot be bundled`);
  const text = readFileSync(join(root, folder, file), 'utf8')
    .replaceAll('\r', '')
    .trim();
  return { name: `${described.name} ${described.version} (${described.license})`, text };
}

/** Every package in the bundle, with its licence; packages with the same text share it. */
function notices(metafiles) {
  const used = metafiles.flatMap((metafile) =>
    Object.values(metafile.outputs).flatMap((output) =>
      Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [packageFolder(path)] : [])),
    ),
  );
  const folders = [...new Set(used.filter((folder) => folder !== undefined))].sort();
  const byText = new Map();
  for (const { name, text } of folders.map(licenceOf)) byText.set(text, [...(byText.get(text) ?? []), name]);
  const parts = [...byText].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
  return [`kvdeploy ${manifest.version} contains code of these packages.\n`, ...parts].join(`\n${'-'.repeat(80)}\n\n`);
}

/** Writes new files first and then deletes stale ones, so that a running kvdeploy finds its chunks for as long as possible. */
function write(files) {
  mkdirSync(dist, { recursive: true });
  for (const [path, contents] of files) {
    if (!existsSync(path) || !readFileSync(path).equals(Buffer.from(contents))) writeFileSync(path, contents);
  }
  const wanted = new Set(files.map(([path]) => relative(dist, path)));
  for (const name of readdirSync(dist)) if (!wanted.has(name)) rmSync(join(dist, name), { recursive: true });
}

const results = await Promise.all([buildCommand(), buildBreakGlass()]);
const metafiles = results.map((result) => result.metafile);
write([
  ...results.flatMap((result) => result.outputFiles.map((file) => [file.path, file.contents])),
  [join(dist, 'THIRD-PARTY-NOTICES'), notices(metafiles)],
]);
mkdirSync(join(root, '.cache'), { recursive: true });
writeFileSync(join(root, '.cache', 'metafile.json'), JSON.stringify({ command: metafiles[0], breakGlass: metafiles[1] }));
