/** Explanations of the codes about files: the config, the manifests, and every finding of `validate`. Data only. */
import type { Code } from './errors.ts';
import type { Explanation, FindingExplanation } from './explanation.ts';
import type { FindingCode } from './finding.ts';

export const FILES = {
  CONFIG_MISSING: {
    means: 'No config was found from here up to the root of the repository, or the named one does not exist.',
    example: "There is no kvdeploy.config.yaml in /srv/gateway or above it, up to the repository's root.",
    causes: ['The command was run in another folder.', '--config names a file that is not there.'],
    todo: ['Run it where the config lies, or name it with --config.', 'The form of a config: kvdeploy schema config'],
  },
  CONFIG_INVALID: {
    means: 'The config cannot be used: it cannot be read, breaks its schema, or asks for what this machine does not have.',
    example: 'kvdeploy.config.yaml has 2 faults.',
    causes: ['A misspelt key.', 'Two config files in one folder.', 'A stateGroup that this machine does not have.'],
    todo: ['See every fault with its line and fix: kvdeploy validate'],
  },
  CONFIG_RUNS_CODE: {
    means: 'The config is a program (JavaScript or TypeScript). It is refused by its name and not read: reading it would run it.',
    example: 'A config file must not run code, so this one is not read.',
    causes: ['A kvdeploy.config.js or .ts lies beside the sources.'],
    todo: ['Write it as kvdeploy.config.yaml and remove the program; its form: kvdeploy schema config'],
  },
  MANIFEST_MISSING: {
    means: 'A manifest that was named does not exist, or no file fits the pattern.',
    example: 'There is no such file.',
    causes: ['A slip in the path.', 'The manifests lie in another folder than the config says (manifests:).'],
    todo: ['Check the path; without one every manifest is checked: kvdeploy validate'],
  },
  MANIFEST_INVALID: {
    means: 'A manifest cannot be read. It could list any build, so nothing is promotable until it can.',
    example: '1 finding in the manifests; a file that cannot be read could list any build, so nothing is promotable.',
    causes: ['A syntax error or an unknown key.', 'A file in the manifest folder that is no manifest.'],
    todo: ['See every finding with its line and fix: kvdeploy validate'],
  },
  MANIFESTS_DISAGREE: {
    means: 'Every manifest can be read, but together they break a rule, so the listing is refused whole.',
    example: 'The builds listed for acme/production/kv-gateway are refused whole: Sequence 41 is used twice.',
    causes: ['Two files say different things about one build or one scope.'],
    todo: ['See both places: kvdeploy validate'],
  },
  PLAN_INVALID: {
    means: 'The file is no plan that `plan --out` wrote, or it was changed since. A plan is made, not written.',
    example: 'plan.json cannot be used: it was changed after plan --out wrote it.',
    causes: ['Somebody edited it, or a tool changed its line ends.', 'Another version of kvdeploy wrote it.'],
    todo: ['Make it again: kvdeploy plan --env E --build GUID --out plan.json'],
  },
  TRACE_INVALID: {
    means: 'A recorded trace for `backtest` cannot be read: every finding names line, column, reason and fix.',
    example: 'trace.csv:7:18 12 errors of only 10 requests.',
    causes: [
      'Totals were written where counts per interval belong.',
      'The builds are not called candidate and stable, or only one of them was recorded.',
      'The slices of an interval hold more than the whole service, or buckets are not cumulative.',
    ],
    todo: [
      'Write CSV with the header t_s,slice,build,requests,errors; status and le may follow.',
      'Correct what is named, then: kvdeploy backtest --trace FILE',
    ],
  },
} as const satisfies Partial<Record<Code, Explanation>>;

export const FINDINGS = {
  SYNTAX: {
    means: 'The file is not YAML or JSON, or it is empty.',
    example: 'Not YAML: Nested mappings are not allowed in compact mappings.',
    causes: ['A missing quote or bracket.', 'Wrong indentation.', 'A template that was never filled in.'],
    todo: ['Correct that line and the one before it, then: kvdeploy validate'],
    exit: 2,
  },
  SCHEMA: {
    means: 'A value has another form than its key wants, or a key is missing.',
    example: 'Expected text, but this is a number.',
    causes: ['A version such as 1.10 that YAML reads as a number.', 'A key was left out.'],
    todo: ['Do what the finding says; the whole form: kvdeploy schema release-manifest'],
    exit: 2,
  },
  UNKNOWN_KEY: {
    means: 'A key is not known at this place. Unknown keys are refused, since a misspelt limit would be no limit.',
    example: 'Unknown key "wieght". Did you mean "weight"?',
    causes: ['A slip of the keyboard.', 'A key of a newer kvdeploy.', 'A key that belongs one level up or down.'],
    todo: ['Rename or remove it; what is known: kvdeploy schema config'],
    exit: 2,
  },
  DUPLICATE_KEY: {
    means: 'One key stands twice in one map. Readers differ in which one they take, so two people could see two files.',
    example: 'The key "guid" stands here twice; readers differ in which one they take.',
    causes: ['A merge that kept both sides.', 'A copied block.'],
    todo: ['Keep one of them, then: kvdeploy validate'],
    exit: 2,
  },
  FORBIDDEN_KEY: {
    means: 'A key that programs can mistake for a part of themselves, such as __proto__, is never allowed.',
    example: 'The key "__proto__" is not allowed anywhere.',
    causes: ['An attack, or a test of one.'],
    todo: ['Remove it, and find out who wrote it.'],
    exit: 2,
  },
  NOT_TEXT: {
    means: 'The file is not plain UTF-8, or holds characters that hide or reorder what people see.',
    example: 'The character U+202E cannot stand in this file: it is invisible, or hides or reorders text.',
    causes: ['Another encoding.', 'Text that was copied from a web page.', 'An attempt to show reviewers something else.'],
    todo: ['Save it as UTF-8 without such characters, then: kvdeploy validate'],
    exit: 2,
  },
  NOT_A_FILE: {
    means: 'Where a file was expected lies a link, a folder or a device, or the file may not be read.',
    example: 'This is a symlink; they are not followed.',
    causes: ['A link into another folder.', 'Missing permissions.'],
    todo: ['Put the file itself there, or let this user read it.'],
    exit: 2,
  },
  TOO_LARGE: {
    means: 'The file is larger than any manifest or config may be, and is not read.',
    example: 'The file has 3,145,728 bytes; at most 262,144 are read.',
    causes: ['Builds that nobody can promote any more were never removed.', 'Another file was named.'],
    todo: ['Remove old builds from the manifest, then: kvdeploy validate'],
    exit: 2,
  },
  TOO_DEEP: {
    means: 'Values are nested deeper than any manifest or config needs.',
    example: 'Values are nested deeper than 16 levels.',
    causes: ['A bracket or an indentation too many.', 'A file that was made to exhaust a reader.'],
    todo: ['Look for the bracket too many, then: kvdeploy validate'],
    exit: 2,
  },
  FORBIDDEN_YAML: {
    means: 'Anchors, aliases, tags, merges and second documents are refused: two readers could see two different files.',
    example: 'An alias is not allowed here: it can make two readers see two different files.',
    causes: ['A file written for a tool that expands them.'],
    todo: ['Write the values out, one document a file, then: kvdeploy validate'],
    exit: 2,
  },
  SHARED_TARGET: {
    means: "Two scopes name one router target, so a rollout of one would move the other's traffic. The config does not load.",
    example: 'acme/staging/kv-gateway and acme/production/kv-gateway name one target: routes file /var/lib/edge/routes.json.',
    causes: ['A copied service whose socket, backend or routes file was not changed.'],
    todo: ['Give each scope its own target, then: kvdeploy validate'],
    exit: 2,
  },
  REPEATED_GUID: {
    means: 'One scope lists one build more than once. Capitals, braces and urn:uuid: do not make it another one.',
    example: 'Build 7c9e6679 is listed more than once for acme/production/kv-gateway.',
    causes: ['A merge that kept both entries.'],
    todo: ['Keep one entry, then: kvdeploy validate'],
    exit: 3,
  },
  REPEATED_SCOPE: {
    means: 'Two manifests declare one scope, and nothing says which one counts.',
    example: 'acme/production/kv-gateway has 2 manifests; it must be clear which one counts.',
    causes: ['A renamed file whose old version stayed.', 'A copied manifest whose environment was not changed.'],
    todo: ['Merge them into one file, then: kvdeploy validate'],
    exit: 3,
  },
  TWO_DIGESTS: {
    means: 'One GUID is listed with two digests. A GUID names the same bytes for ever.',
    example: 'Build 7c9e6679 is listed with two digests: a GUID names the same bytes for ever.',
    causes: ['A build was made again under its old GUID.', 'A digest was edited by hand.'],
    todo: ['Publish the new bytes under a new GUID, then: kvdeploy validate'],
    exit: 3,
  },
  REPEATED_SEQUENCE: {
    means: 'Two builds of one scope have one sequence, so it cannot tell which of them is newer.',
    example: 'Sequence 41 is used twice for acme/production/kv-gateway, so it cannot tell which build is newer.',
    causes: ['A sequence that starts again with every branch.', 'A copied entry.'],
    todo: ['Give every build a sequence of its own, higher than all before it, then: kvdeploy validate'],
    exit: 3,
  },
  WRONG_PLACE: {
    means: 'The manifest declares another scope than the folder that it lies in. Reviewers and owners go by folders.',
    example: 'This manifest is for acme/staging/kv-gateway, but it lies at production/kv-gateway below the manifest root.',
    causes: ['A manifest copied to another environment and not changed, or moved.'],
    todo: ['Move it, or correct its tenant, environment or service, then: kvdeploy validate'],
    exit: 3,
  },
} as const satisfies Record<FindingCode, FindingExplanation>;
