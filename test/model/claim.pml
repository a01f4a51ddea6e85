/*
 * Claim, fence and hold as a model for spin (https://spinroot.com): who may still move traffic when processes sleep at any
 * moment, take each other's place, and somebody breaks the glass. Every step of a process can be the last one for a long time.
 *
 *   src/engine/claim.ts       take over: fence the leader, end it, read again, claim
 *   src/stores/local.ts       claim: link the next segment; append: look, write, look again, and only then acknowledge
 *   src/engine/runner.ts      forbidden: hold and claim, looked at after connecting and right before the first byte leaves
 *   src/break-glass/rescue.ts set the hold, end the leader, then make the changes
 *
 * Holds:  1  no effect of a runner that was fenced and ended
 *         2  once the hold is set and the leader ended, no effect but the rescuer's
 *         3  an acknowledged entry is in the view of everybody who leads later
 *         4  at most one effective leader: whoever makes an effect owns the newest segment
 * Take a guard away and spin finds the way to break one of them: -DNO_LOOK_AFTER_APPEND (with -DREMOTE), -DNO_KILL_BEFORE_CLAIM,
 * -DNO_KILL_BY_RESCUER, -DNO_HOLD_LOOK, -DNO_EXCLUSIVE_LINK, -DNO_SEQUENCE_CHECK.
 * So it does where a process that hidepid hides, or that is in another container, is called gone: -DHIDDEN_IS_GONE.
 * -DREMOTE: processes cannot be ended (another container). Then 3 still holds and 1, 2 and 4 do not: -DREMOTE_EFFECTS shows it.
 */
#ifndef RUNNERS
#define RUNNERS 2
#endif
#define SEGMENTS 5                      /* more claims than these runners can make */
byte newest = 0;                        /* segments 1 to newest are linked; 0: an empty ledger */
byte owner[SEGMENTS];
bool fenced[SEGMENTS];
bool released[SEGMENTS];
byte lines[SEGMENTS];                   /* written so far */
byte accepted[SEGMENTS];                /* how many of them the next segment's claim counts */
bool hold = false;
bool alive[RUNNERS] = true;
bool over[RUNNERS] = false;             /* was fenced and ended, as far as who did it knows */
bool rescued = false;                   /* the rescuer begins its changes */

inline end_process(who) {
  d_step {
#if !defined(REMOTE) && !defined(HIDDEN_IS_GONE)
    alive[who] = false;
#endif
    over[who] = true
  }
}

/* stands(): not fenced, and no segment after it. Two looks, in this order; whoever is not the leader leaves. */
inline stands() {
  mine = !fenced[segment];
  atomic { if :: !mine || newest != segment -> goto gone :: else fi }
}

/* Writes one line and acknowledges it only when the claim still stands after the write. */
inline append(is_release) {
  stands();
  d_step { lines[segment]++; seen = lines[segment]; released[segment] = is_release };
#ifndef NO_LOOK_AFTER_APPEND
  stands();                             /* else it is in doubt: whoever leads now knows */
#endif
  assert(newest == segment || seen <= accepted[segment])        /* 3 */
}

inline make_change() {
#ifndef NO_HOLD_LOOK
  atomic { if :: hold -> goto gone :: else fi };
#endif
  stands();
  d_step {                              /* the first byte leaves */
#if !defined(REMOTE) || defined(REMOTE_EFFECTS)
    assert(!over[me]);                  /* 1 */
    assert(!rescued);                   /* 2 */
    assert(newest == segment);          /* 4 */
#endif
    skip
  }
}

proctype runner(byte me) provided (alive[me]) {
  byte segment, seen, before;
  bool mine;

  atomic { if :: hold -> goto gone :: else fi };        /* a command refuses to begin under a hold */
  atomic {                              /* read the ledger */
    before = newest; seen = lines[before];
    if
    :: before == 0 || released[before] -> goto claim    /* nobody leads */
    :: before > 0 && !released[before] -> goto gone     /* busy: the leader gives signs of life */
    :: before > 0 && !released[before]  /* it is silent, or a person said to take over */
    fi
  };
  fenced[before] = true;
#ifndef NO_KILL_BEFORE_CLAIM
  end_process(owner[before]);
#else
  over[owner[before]] = true;
#endif
  atomic {                              /* read again: it may have written until then */
    if :: newest != before -> goto gone :: else fi;
    seen = lines[before]
  };
claim:                                  /* claimNext(): the fence first, then the length, then the link */
  segment = newest;
  mine = segment == 0 || fenced[segment];
  atomic {
#ifndef NO_SEQUENCE_CHECK
    if :: segment != before || lines[segment] != seen -> goto gone :: else fi;
#endif
    if :: !mine && !released[segment] -> goto gone :: else fi;
    seen = lines[segment]
  };
  atomic {                              /* link(2): only one can make a name */
#ifndef NO_EXCLUSIVE_LINK
    if :: newest != segment -> goto gone :: else fi;
#endif
    accepted[segment] = seen; segment++; newest = segment; owner[segment] = me; lines[segment] = 1
  };
  append(false);                        /* planned */
  make_change();
#ifndef SHORT
  append(false);                        /* shifted */
  make_change();
#endif
  append(true);                         /* released */
gone:
  skip
}

proctype rescuer() {
  byte leads;
  hold = true;
  leads = newest;
#ifndef NO_KILL_BY_RESCUER
  if
  :: leads > 0 && !released[leads] -> end_process(owner[leads])
  :: else
  fi;
#endif
  rescued = true                        /* its changes ask nobody */
}

init {
  byte next;
  atomic {
    for (next : 0 .. RUNNERS - 1) { run runner(next) }
    run rescuer()
  }
}
