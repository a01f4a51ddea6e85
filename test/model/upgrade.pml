/*
 * The rescue program next to the pointer, while a new version takes over from an old one: a model for spin. A program reads generations of its
 * own format and older ones. Every step can be the last one of its process, so a crash anywhere is one of the orders.
 *
 *   src/engine/pointer-writer.ts  publish: the program is replaced, durably, and only then a generation is written
 *   src/engine/claim.ts           take over: fence the leader, end it, read again, claim
 *
 * Holds: the program that lies there reads every generation that lies there.
 * Take a guard away and spin finds the way to break it: -DPROGRAM_LAST, -DNO_KILL_BEFORE_CLAIM.
 */
byte program = 1;                       /* the version of break-glass.mjs */
byte format = 1;                        /* the newest format among the generations */
bool fenced = false;
bool alive = true;                      /* the leader of the old version */

#define readable() assert(program >= format)

active proctype old() provided (alive) {
  do
  :: !fenced ->                         /* looks at its claim, and may sleep right after that */
     program = 1; readable();
     skip                               /* a generation of format 1 changes nothing of the newest format */
  :: break
  od
}

active proctype new() {
  fenced = true;
#ifndef NO_KILL_BEFORE_CLAIM
  alive = false;
#endif
#ifdef PROGRAM_LAST
  format = 2; readable();
  program = 2
#else
  program = 2; readable();
  format = 2; readable()
#endif
}
