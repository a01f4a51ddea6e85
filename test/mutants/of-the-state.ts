/** Faults of the disk's protocols, and of leading. */
import { type Mutant, mutant } from './mutant.ts';

const RUNNER = 'engine/runner.ts';
const STORE = 'stores/local.ts';
const OWN = 'stores/own-segment.ts';
const DURABLE = 'base/durable/durable-file.ts';
const IDENTITY = 'base/changes/process-identity.ts';
const PROC = 'base/changes/proc.ts';

export const OF_THE_DISK: readonly Mutant[] = [
  mutant(
    'a new file is not flushed',
    'simulator',
    DURABLE,
    '      flush(fd, path, fs);\n      if (!readAll',
    '      if (!readAll',
  ),
  mutant(
    'a new name is not flushed',
    'simulator',
    DURABLE,
    '    flushDirOrDoubt(dir, fs);\n    return kept;',
    '    return kept;',
  ),
  mutant('an entry is acknowledged before it is flushed', 'simulator', OWN, '      flush(this.#fd, path, fs);\n', ''),
  mutant(
    'the name of the state directory is not flushed',
    'simulator',
    'base/durable/state-dir.ts',
    "  if (look(join(dir, below[0] ?? ''), fs) === undefined) flushNames(dir, fs);\n",
    '',
  ),
  mutant('a hold is not flushed', 'simulator', DURABLE, '  flushDir(dirname(path), fs);\n}\n\n/** How', '}\n\n/** How'),
  mutant(
    'what was written is not read back',
    'lying disk',
    DURABLE,
    'if (!readAll(fd, bytes.length + 1, fs).equals(bytes)) throw new Error(`${path} does not contain what was written to it`);\n    });',
    '});',
  ),
  mutant(
    'a torn line is accepted',
    'simulator',
    'core/ledger/chain.ts',
    'return { head, bytes: start, torn: bytes.length - start, lines, digested };',
    'return { head, bytes: bytes.length, torn: 0, lines, digested };',
  ),
  mutant(
    'a changed last line is read as it stands',
    'digests',
    'core/ledger/ledger.ts',
    'if (digestHolds(raw) !== (digest === undefined ? undefined : true)) return false;',
    'if (digest === null) return false;',
  ),
  mutant(
    'the config of a stranger is used',
    'strangers',
    'release/trust/config-owner.ts',
    'return stat === undefined || believed.has(stat.uid) ? [] :',
    'return stat === undefined || stat.uid >= 0 ? [] :',
  ),
  mutant(
    'plan runs the programs of a config',
    'strangers',
    'release/trust/programs.ts',
    'if ((source.programs?.(config) ?? []).every(mayRun)) return undefined;',
    'if (source !== null) return undefined;',
  ),
  mutant(
    'a ledger of another scope may go out of sight',
    'sights',
    'core/ledger/history.ts',
    'for (const scope of seen ?? []) history.seen.add(scopeText(scope));',
    'for (const scope of seen ?? []) scopeText(scope);',
  ),
  mutant(
    'a line without its digest is read',
    'digests',
    'core/ledger/chain.ts',
    "const undigested = digested && entry.digest === undefined ? 'it has no digest' : undefined;",
    'const undigested = undefined;',
  ),
  mutant(
    'a plan that is not the one that was judged is read',
    'digests',
    'core/ledger/ledger.ts',
    'return event.digest === planDigest(',
    "return event.digest !== '' || '' === planDigest(",
  ),
  {
    name: 'a short write is taken for a whole one, and not read back',
    noticedBy: 'simulator',
    mutations: [
      { file: 'src/base/durable/open-file.ts', from: '    done += count;', to: '    done = bytes.length;' },
      {
        file: 'src/stores/own-segment.ts',
        from: 'if (!readAll(this.#fd, line.length + 1, fs, this.#bytes).equals(line)) throw this.#rolledBack(path);',
        to: 'if (Number.isNaN(this.#bytes)) throw this.#rolledBack(path);',
      },
    ],
  },
  mutant(
    'only one generation of the pointer is kept',
    'simulator',
    'base/pointer/pointer.ts',
    'const KEPT_GENERATIONS = 10;',
    'const KEPT_GENERATIONS = 1;',
  ),
];

export const OF_LEADING: readonly Mutant[] = [
  mutant(
    'a claim is taken without looking who was first',
    'claims',
    DURABLE,
    '    fs.linkSync(from, to);\n    return true;',
    '    fs.renameSync(from, to);\n    return true;',
  ),
  mutant(
    'the claim is not looked at before a change',
    'simulator',
    RUNNER,
    "if (standing === 'taken') return { kind: 'superseded' };",
    '',
  ),
  mutant('a fence is ignored', 'fences', OWN, "if (look(pathOf(dir, segment, 'fenced'), fs) !== undefined) return false;", ''),
  mutant(
    'a claim that was succeeded still stands',
    'simulator',
    OWN,
    "    if (look(pathOf(dir, segment, 'fenced'), fs) !== undefined) return false;\n    return look(pathOf(dir, segment + 1, 'jsonl'), fs) === undefined;",
    '  return true;',
  ),
  mutant(
    'the hold is not looked at before a change',
    'simulator',
    RUNNER,
    "if (held !== undefined) return { kind: 'held', why: held.text };",
    '',
  ),
  mutant(
    'a takeover leaves the leader alive and says it ended it',
    'simulator',
    'engine/claim.ts',
    "ended: (await io.end(claimedOf(leader.claim, ledger))).is === 'gone' };",
    'ended: true };',
  ),
  mutant(
    'a leader that cannot be seen is called gone',
    'claims',
    'engine/claim.ts',
    "if (seen.is === 'gone') return true;",
    "if (seen.is !== 'running') return true;",
  ),
  mutant(
    'whatever a forged claim names is ended',
    'processes',
    IDENTITY,
    'const problem = strangerProblem(by.pid, owner);',
    'const problem = undefined as string | undefined;',
  ),
  mutant(
    'any program that node runs is ended',
    'processes',
    PROC,
    'return runsNode(program) && isKvdeploy(argv) ?',
    'return runsNode(program) ?',
  ),
  mutant(
    'a process of whomever is ended, whoever wrote the claim',
    'processes',
    PROC,
    'if (owner === null || uids.length !== 4 || uids.some((uid) => uid !== String(owner)))',
    'if (owner === null)',
  ),
  mutant(
    'a pid of another container is looked for in this one',
    'processes',
    IDENTITY,
    'if (namespaceOf(by) !== here.pidNamespace)',
    "if (namespaceOf(by) === '')",
  ),
  mutant(
    'another boot is gone wherever the state lies',
    'processes',
    IDENTITY,
    'return shared ? unsure(',
    "return shared && by.boot === '' ? unsure(",
  ),
  mutant(
    'the name of a host decides',
    'processes',
    IDENTITY,
    'const here = kernel();',
    'const here = kernel();\n  if (by.host !== hostname()) return GONE;',
  ),
  {
    name: 'entries are promised to one who has lost the claim',
    noticedBy: 'simulator',
    mutations: [
      {
        file: 'src/stores/own-segment.ts',
        from: "if ('lost' in where || !this.#stands(where.dir)) return false;",
        to: "if ('lost' in where) return false;",
      },
      { file: 'src/stores/own-segment.ts', from: 'const accepted = this.#stands(where.dir);', to: 'const accepted = true;' },
    ],
  },
  mutant(
    'a runner that cannot write goes on',
    'simulator',
    'engine/run.ts',
    'if (goesOnWithoutState(state)) return state;',
    'if (lost !== undefined) return state;',
  ),
  mutant(
    'a lost state goes on without looking who took over',
    'lost state',
    STORE,
    "return typeof standing === 'object' && this.#isSucceeded(scope, own) ? 'taken' : standing;",
    'return standing;',
  ),
  mutant(
    'a runner goes on where its state was',
    'simulator',
    RUNNER,
    "const lost = typeof standing === 'object' ? standing.lost : holds[0]?.text;",
    'const lost = holds[0]?.text;',
  ),
  mutant(
    'a pointer that is gone is not written again',
    'lost state',
    'engine/shift.ts',
    'if (problem === undefined) return undefined;',
    'if (io !== undefined) return undefined;',
  ),
  mutant(
    'traffic is raised without space for its rollback',
    'reserves',
    'engine/shift.ts',
    'found.reading, runner)) ?? keepSpace(state, runner);',
    'found.reading, runner));',
  ),
  mutant(
    'converge undoes a rescue that no one has reviewed',
    'holds',
    'commands/recover/converge.ts',
    '  assertNoHold(opened, deps);\n',
    '',
  ),
  mutant(
    'a rollback that did not reach every location ends as if it had',
    'unreached',
    'core/rollout/rollout.ts',
    'return state.unreached === null\n',
    "return state.unreached !== ''\n",
  ),
  mutant(
    'a shift is not written down',
    'simulator',
    'core/rollout/rollout.ts',
    '  if (before.phase !== after.phase || before.step !== after.step) return true;',
    "  if (event.type === 'shifted') return false;\n  if (before.phase !== after.phase || before.step !== after.step) return true;",
  ),
];
