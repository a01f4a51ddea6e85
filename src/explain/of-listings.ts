/** Explanations of the codes about writing a manifest: why a row was not added or taken out. Data only. */

export const LISTINGS = {
  BUILD_DIFFERS: {
    means:
      'builds add was given a build whose GUID the manifest has already, with another version, source, sequence or label. A listed build never changes; only its place may.',
    example: 'Build 7c9e6679 is listed already, and differs: version is 1.4.2, not 1.4.3. Nothing was written.',
    causes: ['The same commit or digest was given another version.', 'A row was edited by hand.'],
    todo: [
      'Build what is new, and list it under its own digest or commit.',
      'If the row is wrong, take it out, then add it again: kvdeploy builds remove --env E --build GUID',
    ],
  },
  BUILD_IN_USE: {
    means:
      'builds remove was asked for a build that is known-good, serves, is part of an unfinished rollout, or can still be rolled back to.',
    example: 'Build 7c9e6679 is known-good in acme/production/kv-gateway, so it stays in the manifest.',
    causes: ['The wrong GUID.', 'The build is still needed as a rollback target.'],
    todo: ['See what is known-good and what serves: kvdeploy status --env E', 'Promote another build first.'],
  },
  LEDGER_UNREAD: {
    means:
      'builds remove and builds prune need the ledger, which says what is known-good and what can be rolled back to. There is none here, or it cannot be read.',
    example:
      'The ledger of acme/production/kv-gateway is not in /var/lib/kvdeploy. Only it says which builds are still needed, so none is taken out.',
    causes: [
      'The command ran in CI, where there is no state.',
      'Another state directory, user or host than last time.',
      'A damaged ledger.',
    ],
    todo: [
      'Run the command on the host with the state, or give --state-dir.',
      'See what is wrong with the ledger: kvdeploy history --env E',
    ],
  },
};
