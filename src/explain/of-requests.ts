/** Explanations of the codes about a request: command line, confirmation, config, manifests, plan and trace files. Data only. */

export const REQUESTS = {
  BUG: {
    means: 'A situation that kvdeploy does not handle. Nothing was guessed; the last line says where traffic goes.',
    example: 'This is a bug in kvdeploy: Cannot read properties of undefined',
    causes: ['A bug in kvdeploy.', 'Two different versions of kvdeploy share one state.'],
    todo: [
      'See where traffic goes: kvdeploy status --env E',
      'Run the same command with KVDEPLOY_DEBUG=1 and report the output.',
      'If you must restore the known-good build now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  USAGE: {
    means: 'The command line is invalid or contradictory. Nothing was read or changed.',
    example: 'No environment was given, and there is no default.',
    causes: ['An option is misspelled, missing or has no value.', 'Two options are mutually exclusive.'],
    todo: ['Read the help of the command: kvdeploy promote --help'],
  },
  UNKNOWN_NAME: {
    means: 'The tenant, environment, service, scene or code does not exist here. kvdeploy never runs a similar name instead.',
    example: 'There is no environment "produciton".',
    causes: ['A typo.', 'The config of another repository, or the state directory of another host.'],
    todo: ['Use the name that the error suggests.', 'See which names the config has: kvdeploy validate'],
  },
  SCOPE_UNCLEAR: {
    means: 'The command matches several tenants, services or states, and kvdeploy does not choose one.',
    example: 'There are several services: api, kv-gateway.',
    causes: [
      '--tenant or --service is missing, and there are several.',
      'Two state directories on this machine contain the same service.',
    ],
    todo: ['Run one of the commands that the error lists, or add --tenant, --service or --state-dir.'],
  },
  GUID_UNCLEAR: {
    means: 'The build is not given as a GUID, or matches several builds. At least 8 characters are required.',
    example: 'abad1dea matches 2 builds: abad1dea-3333-4aaa-8bbb-000000000042, abad1dea-4444-4aaa-8bbb-000000000043.',
    causes: [
      'Too few characters.',
      'The GUIDs of two builds begin with the same characters.',
      'A version was given instead of a GUID.',
    ],
    todo: ['See every build with its GUID: kvdeploy builds --env E'],
  },
  CONFIG_NOT_OURS: {
    means:
      'The config that was found, or its checkout, belongs to another account. It could make kvdeploy act for that account, so it is not used (git calls this dubious ownership).',
    example: '/srv/app belongs to user 1001, so the config /srv/app/kvdeploy.config.yaml, which no one named, is not used.',
    causes: [
      'A checkout of another user, such as the CI account, or a container job that runs as root.',
      'Someone left a config in a folder that everyone can write to.',
    ],
    todo: [
      'If you trust it, name it: kvdeploy --config FILE …',
      'For CI: list the account under configOwners in /etc/kvdeploy/machine.json',
      'kvdeploy validate reads it in any case: it acts on nothing.',
    ],
  },
  NO_TERMINAL: {
    means:
      'The command needs a confirmation, but there is no terminal to ask on. kvdeploy never reads a confirmation from standard input.',
    example: 'Promoting 7c9e6679 in acme/production/kv-gateway needs a confirmation, but there is no terminal to ask on.',
    causes: ['CI, cron, or a pipe on standard input.', '--json or --no-input, which never prompt.'],
    todo: ["Confirm with the environment's name: --confirm production", 'If the environment is not protected: --yes'],
  },
  NOT_CONFIRMED: {
    means: 'The confirmation did not name the environment, so nothing was changed.',
    example: '--confirm staging does not name production; nothing was changed.',
    causes: ['Another environment was named.', 'The prompt was answered with no.'],
    todo: ['Review the plan again, then confirm this environment: kvdeploy plan --env E --build GUID'],
  },
  UNSAFE_ENVIRONMENT: {
    means: 'An environment variable disables a protection for the whole process, so kvdeploy does not start.',
    example: 'NODE_TLS_REJECT_UNAUTHORIZED=0 disables all certificate checks.',
    causes: ['NODE_TLS_REJECT_UNAUTHORIZED=0 in a profile, a CI variable or a container image.'],
    todo: ['Unset it. For a private CA, use NODE_EXTRA_CA_CERTS.', 'See what else is set: kvdeploy doctor'],
  },
  MACHINE_FILE_INVALID: {
    means:
      'A machine file exists, but cannot be used, so kvdeploy does not guess what this machine allows. Break-glass goes on without it, and says so.',
    example: 'The machine file does not count: it is not JSON: Unexpected token } in JSON at position 41.',
    causes: [
      'It is not strict JSON, or has a key that kvdeploy does not know.',
      '/etc/kvdeploy/machine.json does not belong to root, or others can write to it or to its folder.',
      '~/.config/kvdeploy/machine.json is not mode 0600, or belongs to another user.',
    ],
    todo: [
      'Do what the hint says; the error names the file. Its format: docs/machine-file.md.',
      'Check it: kvdeploy doctor',
      'In an emergency: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  NO_ROUTER: {
    means:
      'The service has no router in the config, and there is no default; or `serve` was run for a service with a router of another kind.',
    example: 'acme/production/kv-gateway has no router, so nothing can be promoted there.',
    causes: [
      'router: is missing from the service.',
      'The config could not be read, and the ledger does not contain a router either.',
    ],
    todo: ['Add router: { kind: … } to the service. Schema: kvdeploy schema config'],
  },
  NO_GATE: {
    means: 'The service has no gate to judge the health of a build, so nothing can be promoted.',
    example: 'acme/production/kv-gateway has no gate to judge its health.',
    causes: ['gates: is missing or empty.'],
    todo: ['Add a gate, such as gates: [errors]. Schema: kvdeploy schema config'],
  },
  NO_IDENTITY: {
    means: 'The config does not say where a build reports its GUID, so kvdeploy cannot know which build runs at a place.',
    example: 'acme/production/kv-gateway does not say how a build reports its GUID (identity).',
    causes: ['identity: is missing from the service.'],
    todo: ['Make the build report its GUID and add identity: { path, header }. Schema: kvdeploy schema config'],
  },
  NOTHING_TO_DO: {
    means: 'There is nothing to do: no rollout is open, or the requested state is already reached.',
    example: 'The last rollout of acme/production/kv-gateway is over: done.',
    causes: [
      'The rollout has ended in the meantime.',
      'The command was run twice.',
      'The wrong service or state directory was given.',
    ],
    todo: ['See the current state: kvdeploy status --env E', 'Roll back a finished rollout: kvdeploy rollback --env E'],
  },
  KNOWN_GOOD_SERVES: {
    means:
      'A rollback restores the known-good build, but that build already serves all traffic. kvdeploy never guesses an earlier one.',
    example: '7c9e6679 (1.41.0) is the known-good build and already serves all traffic.',
    causes: ['The build turned out to be bad after it became known-good.'],
    todo: [
      'Name an earlier known-good build (the error lists them): kvdeploy rollback --env E --to GUID',
      'See them again: kvdeploy pointer show --env E',
    ],
  },
  DOCTOR_FAILED: {
    means: 'At least one check of `doctor` failed: something that the next promotion or an emergency needs is missing.',
    example: '2 of 19 checks failed, 1 warning. Each FAIL matters in an emergency or stops the next promotion.',
    causes: ['Each failed check states its cause.'],
    todo: ['Follow the advice under each FAIL, then check again: kvdeploy doctor --env E'],
  },
  CONFORMANCE_FAILED: {
    means: 'A program does not keep to what the `command` router needs of it. It was tried on its target `scratch` only.',
    example: '/usr/local/bin/split breaks 2 of 13 rules.',
    causes: [
      'Each broken rule says what the program did instead.',
      'The program has no target `scratch`, or only one place there: then no rule is tried.',
    ],
    todo: [
      'Correct the program, and try again: kvdeploy conformance -- PROGRAM',
      'What it owes, and two worked examples: docs/command-router.md',
    ],
  },
  CONFIG_MISSING: {
    means: 'There is no config between this folder and the repository root, or the given config does not exist.',
    example: "There is no kvdeploy.config.yaml in /srv/gateway or above it, up to the repository's root.",
    causes: ['The command was run in another folder.', '--config names a file that is not there.'],
    todo: ['Run the command in the folder of the config, or give --config.', 'Schema of a config: kvdeploy schema config'],
  },
  CONFIG_INVALID: {
    means: 'The config is invalid: it cannot be read, violates its schema, or needs something that this machine does not have.',
    example: 'kvdeploy.config.yaml has 2 errors.',
    causes: ['A misspelled key.', 'Two config files in one folder.', 'A stateGroup that this machine does not have.'],
    todo: ['See every error with its line and fix: kvdeploy validate'],
  },
  CONFIG_RUNS_CODE: {
    means:
      'The config is a program (JavaScript or TypeScript). kvdeploy refuses it by its name, because loading it would run it.',
    example: 'A config file must not run code, so kvdeploy does not load this one.',
    causes: ['There is a kvdeploy.config.js or .ts in the repository.'],
    todo: ['Convert it to kvdeploy.config.yaml and delete the program. Schema: kvdeploy schema config'],
  },
  MANIFEST_MISSING: {
    means: 'The given manifest does not exist, or no file matches the pattern.',
    example: 'There is no such file.',
    causes: ['A typo in the path.', 'The manifests are not in the folder that the config names (manifests:).'],
    todo: ['Check the path, or check every manifest: kvdeploy validate'],
  },
  MANIFEST_INVALID: {
    means: 'A manifest is invalid. It could list any build, so nothing can be promoted until it is fixed.',
    example: '1 finding in the manifests. An invalid file could list any build, so nothing can be promoted.',
    causes: ['A syntax error or an unknown key.', 'A file in the manifest folder that is not a manifest.'],
    todo: ['See every finding with its line and fix: kvdeploy validate'],
  },
  MANIFESTS_DISAGREE: {
    means: 'Each manifest is valid, but they contradict each other, so kvdeploy refuses the whole listing.',
    example: 'The whole listing for acme/production/kv-gateway is refused: Sequence 41 is used twice.',
    causes: ['Two files contradict each other about a build or a scope.'],
    todo: ['See both places: kvdeploy validate'],
  },
  PLAN_INVALID: {
    means: 'The file is not a plan from `plan --out`, or it was changed afterwards. Plans cannot be written by hand.',
    example: 'plan.json cannot be used: it was changed after plan --out wrote it.',
    causes: ['Someone edited it, or a tool changed its line endings.', 'Another version of kvdeploy wrote it.'],
    todo: ['Create it again: kvdeploy plan --env E --build GUID --out plan.json'],
  },
  TRACE_INVALID: {
    means: 'A recorded trace for `backtest` is invalid. Each finding gives line, column, reason and fix.',
    example: 'trace.csv:7:18 12 errors of only 10 requests.',
    causes: [
      'The trace contains totals instead of counts per interval.',
      'The builds are not called candidate and stable, or the stable build was not recorded.',
      'The slices of an interval add up to more than the whole service, or the buckets are not cumulative.',
    ],
    todo: [
      'Write CSV with the header t_s,slice,build,requests,errors; status and le may follow.',
      'Fix the findings, then run: kvdeploy backtest --trace FILE',
    ],
  },
};

/** The findings of `validate`. */
export const FINDINGS = {
  SYNTAX: {
    means: 'The file is not YAML or JSON, or it is empty.',
    example: 'Not YAML: Nested mappings are not allowed in compact mappings.',
    causes: ['A missing quote or bracket.', 'Wrong indentation.', 'A template that was not filled in.'],
    todo: ['Fix that line or the one before it, then run: kvdeploy validate'],
  },
  SCHEMA: {
    means: 'A value has the wrong type or format for its key, or a key is missing.',
    example: 'Expected text, but this is a number.',
    causes: ['A version such as 1.10 that YAML reads as a number.', 'A key is missing.'],
    todo: ['Follow the finding. Schema: kvdeploy schema release-manifest'],
  },
  UNKNOWN_KEY: {
    means: 'The key is unknown here. Unknown keys are refused, because a misspelled limit would be no limit.',
    example: 'Unknown key "wieght". Did you mean "weight"?',
    causes: ['A typo.', 'A key from a newer kvdeploy.', 'A key at the wrong level.'],
    todo: ['Rename or remove it. All keys: kvdeploy schema config'],
  },
  DUPLICATE_KEY: {
    means: 'A key occurs twice in one map. Parsers differ in which value they use, so two people could see different files.',
    example: 'The key "guid" occurs twice; parsers differ in which value they use.',
    causes: ['A merge that kept both sides.', 'A copied block.'],
    todo: ['Keep one of them, then run: kvdeploy validate'],
  },
  FORBIDDEN_KEY: {
    means: 'A key with a special meaning in programs, such as __proto__, is never allowed.',
    example: 'The key "__proto__" is not allowed anywhere.',
    causes: ['An attack, or a test of one.'],
    todo: ['Remove it, and find out who added it.'],
  },
  NOT_TEXT: {
    means: 'The file is not plain UTF-8, or contains characters that hide or reorder text.',
    example: 'The character U+202E is not allowed: it is invisible, or hides or reorders text.',
    causes: ['Another encoding.', 'Text copied from a web page.', 'An attempt to deceive reviewers.'],
    todo: ['Save it as UTF-8 without such characters, then run: kvdeploy validate'],
  },
  NOT_A_FILE: {
    means: 'There is a link, a folder or a device instead of a file, or the file is not readable.',
    example: 'This is a symlink; it is not followed.',
    causes: ['A link into another folder.', 'Missing permissions.'],
    todo: ['Put the file itself there, or make it readable for this user.'],
  },
  TOO_LARGE: {
    means: 'The file exceeds the maximum size of a manifest or config, and is not read.',
    example: 'The file has 3,145,728 bytes; the limit is 262,144.',
    causes: ['Obsolete builds were never removed.', 'The wrong file was given.'],
    todo: ['Remove old builds from the manifest, then run: kvdeploy validate'],
  },
  TOO_DEEP: {
    means: 'Values are nested too deep for a manifest or config.',
    example: 'Values are nested deeper than 16 levels.',
    causes: ['An extra bracket or indentation.', 'A file made to exhaust a parser.'],
    todo: ['Remove the extra bracket, then run: kvdeploy validate'],
  },
  FORBIDDEN_YAML: {
    means: 'Anchors, aliases, tags, merges and second documents are refused, because two parsers could see different files.',
    example: 'An alias is not allowed here: two parsers could see different files.',
    causes: ['A file written for a tool that expands them.'],
    todo: ['Write out the values, with one document per file, then run: kvdeploy validate'],
  },
  SHARED_TARGET: {
    means:
      "Two scopes use the same router target, so a rollout of one would shift the other's traffic. kvdeploy does not load the config.",
    example: 'acme/staging/kv-gateway and acme/production/kv-gateway use the same target: routes file /var/lib/edge/routes.json.',
    causes: ['A service was copied, but its socket, backend or routes file was not changed.'],
    todo: ['Give each scope its own target, then run: kvdeploy validate'],
  },
  REPEATED_GUID: {
    means: 'A scope lists the same build more than once. Capitals, braces and urn:uuid: do not make a different GUID.',
    example: 'Build 7c9e6679 is listed more than once for acme/production/kv-gateway.',
    causes: ['A merge that kept both entries.'],
    todo: ['Keep one entry, then run: kvdeploy validate'],
  },
  REPEATED_SCOPE: {
    means: 'Two manifests declare the same scope, so it is unclear which one applies.',
    example: 'acme/production/kv-gateway has 2 manifests; only one is allowed.',
    causes: [
      'A file was renamed, but the old one was not deleted.',
      'A manifest was copied, but its environment was not changed.',
    ],
    todo: ['Merge them into one file, then run: kvdeploy validate'],
  },
  TWO_DIGESTS: {
    means: 'One GUID is listed with two digests. A GUID always identifies the same bytes.',
    example: 'Build 7c9e6679 is listed with two digests: a GUID always identifies the same bytes.',
    causes: ['A build was rebuilt under its old GUID.', 'A digest was edited by hand.'],
    todo: ['Publish the new bytes under a new GUID, then run: kvdeploy validate'],
  },
  REPEATED_SEQUENCE: {
    means: 'Two builds of one scope have the same sequence, so it is unclear which is newer.',
    example: 'Sequence 41 is used twice for acme/production/kv-gateway, so it is unclear which build is newer.',
    causes: ['A sequence that restarts on every branch.', 'A copied entry.'],
    todo: ['Give every build a unique sequence, higher than all earlier ones, then run: kvdeploy validate'],
  },
  WRONG_PLACE: {
    means: 'The manifest declares a different scope than its folder. Reviewers and code owners rely on folders.',
    example: 'This manifest is for acme/staging/kv-gateway, but its path below the manifest root is production/kv-gateway.',
    causes: ['A manifest was moved, or copied to another environment and not changed.'],
    todo: ['Move it, or fix its tenant, environment or service, then run: kvdeploy validate'],
  },
  GATE_LABEL_MISSING: {
    means:
      'A query of a gate names something of the build that its manifest does not say, so the gate could not find its metrics.',
    example: 'Gate errors cannot be asked about 7f3c2a10: it has no label pod_template_hash.',
    causes: ['CI does not write labels: for the newest build.', 'The placeholder and the label are spelled differently.'],
    todo: ['Add labels: { pod_template_hash: "6d5f8c" } to the build in the manifest, then run: kvdeploy validate'],
  },
};
